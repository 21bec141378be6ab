from collections.abc import Iterator

import pytest
import zmq

from tests.coordinator.processes import DaemonProcess, zmq_context


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq_context() as context:
        yield context


@pytest.fixture(autouse=True)
def no_daemon_outlives_its_test() -> Iterator[None]:
    yield
    DaemonProcess.end_all()
