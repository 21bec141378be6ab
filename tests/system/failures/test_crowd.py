from pathlib import Path

import pytest

from tests.system.failures.crowd import Crowd, many_join_at_once


@pytest.mark.system
def test_many_join_at_once_and_nobody_is_lost(tmp_path: Path, cache: Path) -> None:
    assert many_join_at_once(tmp_path, cache, Crowd(40, processes=1, within_s=60.0, holds_s=0.0))
