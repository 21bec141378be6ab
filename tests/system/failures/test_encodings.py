"""Where updates travel in eight bits, what that lost goes on from round to round: also over kills."""

from pathlib import Path

import pytest

from tests.system.failures.federation import Kind, undisturbed
from tests.system.failures.kills import Trouble, killed_at_random

pytestmark = pytest.mark.system

KIND = Kind(settings={"rounds": 8, "encoding": "int8"})


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(participant_rounds=(2, 4, 6)),
        Trouble(coordinator_kills=2, back_within_s=30.0),
        Trouble(participant_rounds=(3, 5), coordinator_kills=1, seed=1),
    ],
    ids=["participants", "coordinator", "both"],
)
def test_kills_at_random_change_nothing(
    tmp_path: Path, cache: Path, eight_bits: dict[int, str], trouble: Trouble
) -> None:
    assert killed_at_random(tmp_path, cache, KIND, trouble, eight_bits, timeout_s=120)


def test_it_is_not_the_model_of_exact_updates(expected: dict[int, str], eight_bits: dict[int, str]) -> None:
    assert expected.keys() == eight_bits.keys()
    assert not set(expected.values()) & set(eight_bits.values())


@pytest.fixture(scope="module")
def eight_bits(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[int, str]:
    """Round → model digest of ``KIND`` when nothing happens."""
    return undisturbed(tmp_path_factory.mktemp("undisturbed"), cache, KIND)
