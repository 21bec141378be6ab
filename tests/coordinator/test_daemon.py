"""The daemon as a process, with scripted participants on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from tests.coordinator import tiny
from tests.coordinator.processes import DaemonProcess, Participant, train_all, zmq_context

NAMES = ["ann", "bob", "cid", "dee"]


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq_context() as context:
        yield context


def test_a_run_goes_through_all_rounds_and_says_goodbye(
    tmp_path: Path, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    daemon = DaemonProcess(tiny.scenario(rounds=3), tmp_path / "run")
    participants = [Participant(context, daemon.endpoint, name).join().ready() for name in NAMES]
    train_all(participants, until=lambda: daemon.process.poll() is not None)
    code, said = daemon.end()
    assert code == 0, said
    assert daemon.await_line("run_completed")["rounds"] == 3
