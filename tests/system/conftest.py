from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.processes import Processes, running_in, write_tiny


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests find the data set that the first of them draws."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def processes(tmp_path: Path, cache: Path) -> Iterator[Processes]:
    with running_in(tmp_path, cache) as started:
        yield started


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"
