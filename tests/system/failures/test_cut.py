from pathlib import Path

import pytest

from tests.system.failures.cut import Cut, link_cut_in_mid_transfer


@pytest.mark.system
def test_a_cut_in_mid_transfer_is_noticed_and_mended_and_holds_up_nobody(tmp_path: Path, cache: Path) -> None:
    assert link_cut_in_mid_transfer(tmp_path, cache, Cut(lasts_s=None, slack_s=20.0))
