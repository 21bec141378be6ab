from pathlib import Path

import pytest

from tests.system.failures.federation import Kind, undisturbed

ROUNDS = 8
KIND = Kind(settings={"rounds": ROUNDS})


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[int, str]:
    """Round → model digest of ``KIND`` when nothing happens."""
    return undisturbed(tmp_path_factory.mktemp("undisturbed"), cache, KIND)
