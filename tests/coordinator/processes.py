"""The daemon in a process of its own, and scripted participants that talk to it over loopback."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import zmq

from protocol.codec import decode, encode
from protocol.manifest import Parameters
from protocol.messages import (
    AnyMessage,
    Evaluate,
    Heartbeat,
    Join,
    Message,
    Ready,
    Train,
    Update,
    Welcome,
)
from protocol.scenario import Scenario, dump_scenario
from protocol.sockets import DealerSocket
from protocol.split import ClassSplit
from tests.coordinator import tiny

PATIENCE_S = 60.0
PATIENCE_MS = 60_000
JournalLine = dict[str, Any]


class DaemonProcess:
    """Started at once; ``journal`` reads what it has written so far."""

    def __init__(self, scenario: Scenario, run_dir: Path, *, resume: bool = False) -> None:
        self.run_dir = run_dir
        path = run_dir.with_suffix(".toml")
        path.write_text(dump_scenario(scenario))
        self._before = len(self.journal())
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.coordinator.serve_tiny", str(path), str(run_dir)),
                *(["--resume"] if resume else []),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )

    def journal(self) -> list[JournalLine]:
        with contextlib.suppress(FileNotFoundError):
            lines = (self.run_dir / "journal.jsonl").read_text().splitlines(keepends=True)
            return [json.loads(line) for line in lines if line.endswith("\n")]
        return []

    def await_line(self, event: str, **fields: object) -> JournalLine:
        """The first line of this process with that event and those fields."""
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            for line in self.journal()[self._before :]:
                if line["event"] == event and all(line.get(key) == value for key, value in fields.items()):
                    return line
            if self.process.poll() is not None and self.process.returncode != 0:
                break
            time.sleep(0.01)  # a file has no event to wait on
        raise AssertionError(f"no {event} {fields} in the journal: {self.journal()[self._before :]}")

    @property
    def endpoint(self) -> str:
        names = {"run_started", "run_resumed"}
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends and self.process.poll() is None:
            for line in self.journal()[self._before :]:
                if line["event"] in names:
                    return str(line["endpoint"])
            time.sleep(0.01)
        raise AssertionError(f"the daemon did not start: {self.process.communicate()[1]}")

    def end(self) -> tuple[int, str]:
        """Wait for it: exit code and what it said on stderr."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


class Participant:
    """Speaks the protocol by hand. ``answer`` is called with what the daemon wants of a joined one."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, name: str, *, auditor: bool = False
    ):
        self.name = name
        self.auditor = auditor
        self.run = ""
        self.socket = DealerSocket(context, endpoint)
        self.socket.raw.poll(PATIENCE_MS, zmq.POLLOUT)

    def send(self, message: Message, parameters: Parameters | None = None) -> None:
        assert self.socket.send(encode(message, parameters))

    def send_raw(self, frames: list[bytes]) -> None:
        assert self.socket.send(frames)

    def receive(self) -> tuple[AnyMessage, Parameters | None]:
        """The next message that is no heartbeat."""
        while True:
            assert self.socket.raw.poll(PATIENCE_MS), f"{self.name} heard nothing"
            frames = self.socket.receive()
            assert frames is not None
            decoded = decode(frames, tiny.MANIFEST)
            if not isinstance(decoded.message, Heartbeat):
                return decoded.message, decoded.parameters

    def expect(self, kind: type[Message]) -> Any:
        message, _ = self.receive()
        assert isinstance(message, kind), message
        return message

    def join(self) -> "Participant":
        self.send(Join(name=self.name, auditor=self.auditor, software="test"))
        self.run = self.expect(Welcome).run
        return self

    def ready(self, split: ClassSplit = tiny.SPLIT, digest: str = tiny.MANIFEST.digest) -> "Participant":
        self.send(Ready(run=self.run, manifest_digest=digest, split=split))
        return self

    def train(self, order: Train) -> None:
        self.send(Update(run=self.run, round=order.round, seconds=0.5), tiny.update(self.name, order.round))

    def close(self) -> None:
        self.socket.close(0)


@contextlib.contextmanager
def zmq_context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)


Work = Callable[[Participant, AnyMessage, Parameters | None], None]


def train_all(
    participants: list[Participant], until: Callable[[], bool], evaluate: Work | None = None
) -> None:
    """Answer every order of every participant until ``until()`` is true."""
    poller = zmq.Poller()
    by_socket = {}
    for participant in participants:
        poller.register(participant.socket.raw, zmq.POLLIN)
        by_socket[participant.socket.raw] = participant
    ends = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < ends, "the participants were not done in time"
        for raw, _ in poller.poll(20):
            participant = by_socket[raw]
            frames = participant.socket.receive()
            if frames is None:
                continue
            decoded = decode(frames, tiny.MANIFEST)
            if isinstance(decoded.message, Train):
                participant.train(decoded.message)
            elif isinstance(decoded.message, Evaluate) and evaluate is not None:
                evaluate(participant, decoded.message, decoded.parameters)
