from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.failures.figures import Figure
from tests.system.failures.sleep import coordinator_sleeps, participant_sleeps

pytestmark = pytest.mark.system


@pytest.mark.parametrize("happens", [coordinator_sleeps, participant_sleeps])
def test_who_has_slept_wakes_up_to_the_same_run(
    tmp_path: Path,
    cache: Path,
    expected: dict[int, str],
    happens: Callable[[Path, Path, dict[int, str], float | None], list[Figure]],
) -> None:
    assert happens(tmp_path, cache, expected, None)
