from pathlib import Path

import pytest

from tests.system.failures.conftest import KIND
from tests.system.failures.kills import POOR, Trouble, killed_at_random

pytestmark = pytest.mark.system


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(participant_rounds=(2, 4, 6)),
        Trouble(coordinator_kills=2, back_within_s=30.0),
        Trouble(participant_rounds=(3, 6), coordinator_kills=2, link=POOR),
    ],
    ids=["participants", "coordinator", "both over bad links"],
)
def test_kills_at_random_change_nothing(
    tmp_path: Path, cache: Path, expected: dict[int, str], trouble: Trouble
) -> None:
    assert killed_at_random(tmp_path, cache, KIND, trouble, expected, timeout_s=120)
