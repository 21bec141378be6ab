from pathlib import Path

import pytest

from tests.system.failures.noise import Noise, nonsense_is_counted


@pytest.mark.system
def test_nonsense_of_a_participant_is_counted_and_changes_nothing(tmp_path: Path, cache: Path) -> None:
    assert nonsense_is_counted(tmp_path, cache, Noise(3000, before=3, most=None, timeout_s=120.0))
