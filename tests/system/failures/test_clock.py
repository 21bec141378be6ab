from pathlib import Path

import pytest

from tests.system.failures.clock import clocks_are_wrong
from tests.system.failures.conftest import KIND


@pytest.mark.system
def test_nothing_depends_on_a_clock_being_right(
    tmp_path: Path, cache: Path, expected: dict[int, str]
) -> None:
    assert clocks_are_wrong(tmp_path, cache, KIND, expected)
