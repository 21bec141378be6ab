from collections.abc import Iterator

import pytest

from tests.coordinator.processes import DaemonProcess


@pytest.fixture(autouse=True)
def no_daemon_outlives_its_test() -> Iterator[None]:
    yield
    DaemonProcess.end_all()
