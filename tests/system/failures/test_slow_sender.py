from pathlib import Path

import pytest

from tests.system.failures.slow_sender import Slowness, one_sends_slowly


@pytest.mark.system
def test_who_sends_a_byte_a_second_holds_up_nobody(tmp_path: Path, cache: Path) -> None:
    assert one_sends_slowly(tmp_path, cache, Slowness(rate=1.0, rounds=4, most=None, slack_s=20.0))
