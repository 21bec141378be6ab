"""A daemon's process with scripted participants, from their joining to its end."""

import zmq

from tests.coordinator.processes import DaemonProcess, JournalLine, Participant, train_all

NAMES = ["ann", "bob", "cid", "dee"]
Context = zmq.Context[zmq.Socket[bytes]]


def enter(context: Context, daemon: DaemonProcess, *names: str) -> list[Participant]:
    endpoint = daemon.endpoint
    return [Participant(context, endpoint, name).join().ready() for name in names]


def finish(daemon: DaemonProcess, participants: list[Participant]) -> list[str]:
    """Train to the end; the model digests by round."""
    train_all(participants, until=lambda: daemon.process.poll() is not None)
    code, said = daemon.end()
    assert code == 0, said
    assert "Traceback" not in said
    return digests(daemon.journal())


def digests(journal: list[JournalLine]) -> list[str]:
    by_round = {line["round"]: line["model_digest"] for line in journal if line["event"] == "round_completed"}
    return [by_round[number] for number in sorted(by_round)]


def completed(daemon: DaemonProcess, number: int) -> bool:
    return any(line["event"] == "round_completed" and line["round"] >= number for line in daemon.journal())


def stored(daemon: DaemonProcess, number: int) -> bool:
    return any(line["event"] == "checkpoint_written" and line["round"] >= number for line in daemon.journal())
