from pathlib import Path

import pytest

from tests.system.failures.disk import KIND, NO_CHECKPOINT, disk_fills_up
from tests.system.failures.federation import undisturbed


@pytest.mark.system
def test_a_full_disk_stops_the_run_with_the_reason_and_it_goes_on_later(tmp_path: Path, cache: Path) -> None:
    expected = undisturbed(tmp_path / "undisturbed", cache, KIND)
    assert disk_fills_up(tmp_path, cache, expected, NO_CHECKPOINT)
