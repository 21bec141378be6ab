from pathlib import Path

import pytest

from tests.system.failures.narrow import transfers_longer_than_liveness


@pytest.mark.system
def test_a_model_may_take_longer_than_the_liveness_time(tmp_path: Path, cache: Path) -> None:
    assert transfers_longer_than_liveness(tmp_path, cache)
