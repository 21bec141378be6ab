"""The daemon's loop with a socket that is scripted: what it does between two messages, and in which order."""

import errno
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
import zmq

from coordinator import background, counting, daemon
from coordinator.aggregation import UpdateSum
from coordinator.checkpoints import CheckpointStore
from coordinator.daemon import Daemon, Outcome
from coordinator.effects import Effect
from coordinator.federation import Federation
from coordinator.gate import Gate
from coordinator.lines import Journal
from coordinator.state import FederationState
from coordinator.wakeup import Wakeup
from protocol.codec import decode, encode
from protocol.encodings import Exact
from protocol.errors import RunFailed
from protocol.files import write_whole
from protocol.manifest import Parameters
from protocol.messages import AnyMessage, Heartbeat, Join, Leave, Message, Ready, Shutdown, Train, Update
from protocol.scenario import Scenario
from protocol.sockets import Received, RouterSocket, Sendable
from tests.coordinator import tiny
from tests.coordinator.bench import RUN

NAMES = ("ann", "bob", "cid", "dee")
OVER = "the test is over"


class Scripted:
    """A socket whose participants get ready, and say what ``answers`` has them say to what they are sent."""

    def __init__(self, wakeup: Wakeup, answers: "Callable[[Scripted, str, AnyMessage], None]") -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.raw = self._context.socket(zmq.PAIR)
        self.wakeup = wakeup
        self.sent: list[tuple[str, AnyMessage]] = []
        self._answers = answers
        self._inbox: deque[tuple[str, list[memoryview]]] = deque()
        for name in NAMES:
            self.say(name, Join(name=name, auditor=False, software="test"))
            self.say(name, Ready(run=RUN, manifest_digest=tiny.MANIFEST.digest, split=tiny.SPLIT))

    def say(self, name: str, message: Message, carried: Parameters | None = None) -> None:
        self._inbox.append((name, [memoryview(frame) for frame in encode(message, carried)]))
        self.wakeup.notify()  # as what can be read from a socket ends a poll

    def train(self, name: str, order: Train) -> None:
        self.say(name, Update(run=RUN, round=order.round, seconds=0.1), tiny.update(name, order.round))

    def receive(self) -> Received | None:
        if not self._inbox:
            return None
        name, frames = self._inbox.popleft()
        return Received(name.encode(), frames)

    def send(self, peer: bytes, frames: Sequence[Sendable]) -> bool:
        plain = [frame.buffer if isinstance(frame, zmq.Frame) else memoryview(frame) for frame in frames]
        message = decode(plain, tiny.MANIFEST).message
        self.sent.append((peer.decode(), message))
        self._answers(self, peer.decode(), message)
        return True

    def close(self, linger_s: float) -> None:
        self.raw.close(0)
        self._context.term()

    @property
    def kinds(self) -> list[str]:
        return [message.type for _, message in self.sent]


class Open:
    """A gate that lets everybody in."""

    sockets: tuple[()] = ()

    def wake_at(self) -> float:
        return float("inf")

    def turned_away(self, received: Received, now: float) -> None:
        return None

    def tend(self, now: float) -> Iterator[list[Effect]]:
        return iter(())


def run(
    folder: Path, scenario: Scenario, answers: Callable[[Scripted, str, AnyMessage], None]
) -> tuple[Outcome | str, Scripted, list[tuple[str, int | None]]]:
    """How it ended, what was sent, and the journal's events with their rounds."""
    state = FederationState(run=RUN, round=0)
    federation = Federation(scenario, tiny.MANIFEST, state, split=None, now=0.0, update_size=64)
    path = folder / "journal.jsonl"
    with (
        closing(Wakeup()) as wakeup,
        closing(Journal(path, wakeup.notify, console=False, run=RUN)) as journal,
    ):
        socket = Scripted(wakeup, answers)
        loop = Daemon(
            federation,
            tiny.initial_parameters(scenario),
            UpdateSum(tiny.MANIFEST),
            encoding=Exact(tiny.MANIFEST),
            socket=cast(RouterSocket, socket),
            gate=cast(Gate, Open()),
            store=CheckpointStore(folder, lambda _: False),
            journal=journal,
            wakeup=wakeup,
            split_path=folder / "split.json",
        )
        outcome: Outcome | str
        try:
            outcome = loop.run()
        except RunFailed as failure:
            outcome = str(failure)
    return outcome, socket, _said(path)


def _said(journal: Path) -> list[tuple[str, int | None]]:
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return [(line["event"], line.get("round")) for line in lines]


def test_who_says_something_is_answered_between_two_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "A_FEW_S", 0.0)

    def answers(socket: Scripted, name: str, message: AnyMessage) -> None:
        if isinstance(message, Train):
            socket.say("ann", Heartbeat(run=RUN))
        if socket.kinds.count("heartbeat") == len(NAMES):
            socket.wakeup.interrupted = OVER

    outcome, socket, _ = run(tmp_path, tiny.scenario(), answers)
    assert outcome is Outcome.INTERRUPTED
    assert socket.kinds == ["welcome"] * 4 + ["train", "heartbeat"] * 4
    assert [name for name, message in socket.sent if isinstance(message, Train)] == list(NAMES)


def test_a_round_that_its_deadline_ends_is_closed_at_once(tmp_path: Path) -> None:
    """And not when the loop is next woken up, which is half a minute later here."""

    def answers(socket: Scripted, name: str, message: AnyMessage) -> None:
        if isinstance(message, Train) and message.round == 2:
            socket.wakeup.interrupted = OVER
        elif isinstance(message, Train) and name != "dee":
            socket.train(name, message)

    begun = time.monotonic()
    rules = {"round_deadline_s": 0.2, "heartbeat_s": 60.0, "liveness_s": 600.0}
    outcome, _, journal = run(tmp_path, tiny.scenario(**rules), answers)
    assert time.monotonic() - begun < 15
    assert outcome is Outcome.INTERRUPTED
    assert ("round_completed", 1) in journal


def _until_round_2(socket: Scripted, name: str, message: AnyMessage) -> None:
    match message:
        case Train(round=1):
            socket.train(name, message)
        case Train(round=2):
            socket.wakeup.interrupted = OVER
        case Shutdown():
            socket.say(name, Leave(run=RUN, reason="the run is over"))


def test_rounds_go_on_while_the_disk_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes no line, nor the split, before the second round."""
    disk = threading.Event()
    append = os.write

    def slow(descriptor: int, data: bytes) -> int:
        if threading.current_thread() is not threading.main_thread():
            assert disk.wait(60)
        return append(descriptor, data)

    def answers(socket: Scripted, name: str, message: AnyMessage) -> None:
        if isinstance(message, Train) and message.round == 2 and not disk.is_set():
            assert not (tmp_path / "split.json").exists()
            assert (tmp_path / "journal.jsonl").read_text() == ""
            disk.set()
        _until_round_2(socket, name, message)

    def slow_too(path: Path, data: bytes) -> None:
        assert disk.wait(60)
        write_whole(path, data)

    monkeypatch.setattr(background, "MOST_BEHIND_S", 60.0)
    monkeypatch.setattr(os, "write", slow)
    monkeypatch.setattr(daemon, "write_whole", slow_too)
    try:
        outcome, _, journal = run(tmp_path, tiny.scenario(), answers)
    finally:
        disk.set()
    assert outcome is Outcome.INTERRUPTED
    assert (tmp_path / "split.json").exists()
    assert ("round_completed", 1) in journal
    assert journal[-1] == ("run_interrupted", 1)


def test_that_a_line_cannot_be_written_ends_the_run_and_everybody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = os.write

    def full(descriptor: int, data: bytes) -> int:
        if b"round_completed" in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return append(descriptor, data)

    def answers(socket: Scripted, name: str, message: AnyMessage) -> None:
        if not isinstance(message, Train) or message.round == 1:
            _until_round_2(socket, name, message)

    monkeypatch.setattr(os, "write", full)
    outcome, socket, journal = run(tmp_path, tiny.scenario(checkpoint_every=1), answers)
    assert "cannot write the log: No space left on device" in str(outcome)
    assert [name for name, message in socket.sent if isinstance(message, Shutdown)] == list(NAMES)
    assert journal[-1] == ("update_accepted", 1)
    assert not (tmp_path / "round-000001.safetensors").exists()  # whose round has no line


def test_that_the_split_cannot_be_written_is_in_the_journal(tmp_path: Path) -> None:
    (tmp_path / "split.json").mkdir()
    outcome, socket, journal = run(tmp_path, tiny.scenario(checkpoint_every=1), _until_round_2)
    assert "split.json: cannot write: Is a directory" in str(outcome)
    assert [name for name, message in socket.sent if isinstance(message, Shutdown)] == list(NAMES)
    assert journal[-1][0] == "run_failed"
    assert not (tmp_path / "round-000001.safetensors").exists()  # of a split that is nowhere


def test_what_was_said_before_a_fault_of_the_loop_is_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(self: Federation, now: float, **_: object) -> list[Effect]:
        raise KeyError("a fault")

    monkeypatch.setattr(Federation, "round_closed", fault)
    with pytest.raises(KeyError, match="a fault"):
        run(tmp_path, tiny.scenario(), _until_round_2)
    assert _said(tmp_path / "journal.jsonl")[-1] == ("update_accepted", 1)


def test_what_waits_for_a_digest_is_written_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next round is under way, and the counting thread still busy, when it is interrupted."""
    monkeypatch.setattr(counting, "SMALL", 0)
    digest, known = Parameters.digest, threading.Event()

    def slow(self: Parameters) -> str:
        if threading.current_thread() is threading.main_thread():
            known.set()
        assert known.wait(60)
        return digest(self)

    monkeypatch.setattr(Parameters, "digest", slow)
    outcome, _, journal = run(tmp_path, tiny.scenario(checkpoint_every=1), _until_round_2)
    assert outcome is Outcome.INTERRUPTED
    after = journal[journal.index(("round_completed", 1)) + 1 :]
    assert after[0] == ("round_started", 2)
    assert ("checkpoint_written", 1) in after
    assert after[-1] == ("run_interrupted", 1)


def test_that_no_digest_can_be_made_ends_the_run_and_everybody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "SMALL", 0)

    digest = Parameters.digest

    def none(self: Parameters) -> str:
        if threading.current_thread().name.startswith("checkpoints"):
            return digest(self)
        raise MemoryError("no room")

    def answers(socket: Scripted, name: str, message: AnyMessage) -> None:
        if not isinstance(message, Train) or message.round == 1:
            _until_round_2(socket, name, message)

    monkeypatch.setattr(Parameters, "digest", none)
    outcome, socket, journal = run(tmp_path, tiny.scenario(), answers)
    assert "MemoryError: no room" in str(outcome)
    assert [name for name, message in socket.sent if isinstance(message, Shutdown)] == list(NAMES)
    assert journal[-1] == ("run_failed", 1)
    assert ("round_completed", 1) not in journal
