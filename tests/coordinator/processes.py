"""The daemon in a process of its own, and scripted participants that talk to it over loopback."""

import contextlib
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import zmq

from protocol.codec import decode, encode
from protocol.keys import KeyPair
from protocol.manifest import Parameters
from protocol.messages import (
    AnyMessage,
    Evaluate,
    Heartbeat,
    Join,
    Leave,
    Message,
    Ready,
    Shutdown,
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
    """Started at once; ``journal`` reads what it has written so far. None outlives its test (conftest.py)."""

    started: ClassVar[list["DaemonProcess"]] = []

    def __init__(
        self,
        scenario: Scenario,
        run_dir: Path,
        *,
        resume: bool = False,
        origin: Path | str | None = None,
        bind: str = "tcp://127.0.0.1:*",
        largest_file: int | None = None,
        open_files: int | None = None,
        keys: Path | None = None,
    ) -> None:
        """``largest_file``: bytes that the system lets it write into one file; ``open_files``: how
        many it may have open."""
        self.run_dir = run_dir
        path = run_dir.with_suffix(".toml")
        path.write_text(dump_scenario(scenario))
        self._before = len(self.journal())
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.coordinator.serve_tiny", str(path), str(run_dir), bind),
                *(["--resume"] if resume else []),
                *([] if origin is None else ["--from", str(origin)]),
                *([] if keys is None else ["--keys", str(keys)]),
            ],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: _limit(largest_file, open_files),
        )
        # Read all the time: a full pipe would stop the daemon in the middle of a line.
        self._said: list[str] = []
        self._reader = threading.Thread(target=lambda: self._said.extend(self.process.stderr or ()))
        self._reader.start()
        self.started.append(self)

    def journal(self) -> list[JournalLine]:
        with contextlib.suppress(FileNotFoundError):
            lines = (self.run_dir / "journal.jsonl").read_text().splitlines(keepends=True)
            return [json.loads(line) for line in lines if line.endswith("\n")]
        return []

    def await_line(self, event: str, **fields: object) -> JournalLine:
        """The first line of this process with that event and those fields."""
        return self.await_any({event}, **fields)

    def await_any(self, events: set[str], **fields: object) -> JournalLine:
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            for line in self.journal()[self._before :]:
                if line["event"] in events and all(line.get(key) == value for key, value in fields.items()):
                    return line
            if self.process.poll() is not None and self.process.returncode != 0:
                break
            time.sleep(0.01)  # a file has no event to wait on
        raise AssertionError(f"no {events} {fields} in the journal: {self.journal()[self._before :]}")

    @property
    def endpoint(self) -> str:
        return str(self.await_any({"run_started", "run_resumed"})["endpoint"])

    def end(self) -> tuple[int, str]:
        """Wait for it: exit code and what it said on stderr."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code, "".join(self._said)

    @classmethod
    def end_all(cls) -> None:
        """Whatever is left, at once."""
        while cls.started:
            daemon = cls.started.pop()
            daemon.process.kill()
            daemon.end()


def _limit(largest_file: int | None, open_files: int | None) -> None:
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    if open_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))


class Participant:
    """Speaks the protocol by hand. ``answer`` is called with what the daemon wants of a joined one."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: str,
        name: str,
        *,
        auditor: bool = False,
        key: KeyPair | None = None,
        coordinator_key: str | None = None,
    ):
        self.name = name
        self.auditor = auditor
        self.run = ""
        self.manifest = tiny.MANIFEST
        self.socket = DealerSocket(context, endpoint, key=key, coordinator_key=coordinator_key)
        assert self.socket.raw.poll(PATIENCE_MS, zmq.POLLOUT), f"no connection of {name} to {endpoint}"

    def send(self, message: Message, parameters: Parameters | None = None) -> None:
        assert self.socket.send(encode(message, parameters)), f"{self.name} has no connection any more"

    def send_raw(self, frames: list[bytes]) -> None:
        assert self.socket.send(frames)

    def receive(self) -> tuple[AnyMessage, Parameters | None]:
        """The next message that is no heartbeat."""
        while True:
            assert self.socket.raw.poll(PATIENCE_MS), f"{self.name} heard nothing"
            frames = self.socket.receive()
            assert frames is not None
            decoded = decode(frames, self.manifest)
            if not isinstance(decoded.message, Heartbeat):
                return decoded.message, decoded.parameters

    def expect(self, kind: type[Message]) -> Any:
        message, _ = self.receive()
        assert isinstance(message, kind), message
        return message

    def join(self) -> "Participant":
        self.send(Join(name=self.name, auditor=self.auditor, software="test"))
        welcome = self.expect(Welcome)
        self.run, self.manifest = welcome.run, welcome.manifest
        return self

    def ready(self, split: ClassSplit = tiny.SPLIT) -> "Participant":
        self.send(Ready(run=self.run, manifest_digest=self.manifest.digest, split=split))
        return self

    def train(self, order: Train) -> None:
        update = Update(run=self.run, round=order.round, seconds=0.5)
        # False: the daemon is gone; whoever killed it knows.
        self.socket.send(encode(update, tiny.update(self.name, order.round, self.manifest)))

    def frames(self, message: Message, parameters: Parameters | None = None) -> list[bytes]:
        """As it would be sent; an update without parameters gets some."""
        if isinstance(message, Update) and parameters is None:
            parameters = tiny.parameters_of(0.0)
        return [bytes(frame) for frame in encode(message, parameters)]

    def come_back(self) -> None:
        """Join again, once there is a connection again."""
        assert self.socket.raw.poll(PATIENCE_MS, zmq.POLLOUT)
        while self.socket.receive() is not None:
            pass
        self.join().ready()

    def close(self) -> None:
        """As when its process is killed."""
        self.socket.close(0)


@contextlib.contextmanager
def zmq_context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)


Measure = Callable[[Participant, Evaluate, Parameters], None]


def train_all(
    participants: list[Participant],
    until: Callable[[], bool],
    *,
    up_to: int = 2**31,
    evaluate: Measure | None = None,
    goodbye: Callable[[Shutdown], object] | None = None,
) -> None:
    """Answer every order of every participant until ``until()`` is true; those after round ``up_to`` never,
    so that the run cannot end before it is disturbed."""
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
            while (frames := participant.socket.receive()) is not None:
                decoded = decode(frames, participant.manifest)
                match decoded.message:
                    case Train() as order if order.round <= up_to:
                        participant.train(order)
                    case Evaluate() as order if evaluate is not None and decoded.parameters is not None:
                        evaluate(participant, order, decoded.parameters)
                    case Shutdown() as last_word:
                        participant.send(Leave(run=participant.run, reason="the run is over"))
                        if goodbye is not None:
                            goodbye(last_word)
