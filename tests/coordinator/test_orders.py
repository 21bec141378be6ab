"""The daemon's loop with a socket that is scripted: who is answered while many are sent an order."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import zmq

from coordinator import daemon
from coordinator.aggregation import UpdateSum
from coordinator.checkpoints import CheckpointStore
from coordinator.daemon import Daemon, Outcome
from coordinator.effects import Effect
from coordinator.federation import Federation
from coordinator.gate import Gate
from coordinator.journal import Journal
from coordinator.state import FederationState
from coordinator.wakeup import Wakeup
from protocol.codec import decode, encode
from protocol.encodings import Exact
from protocol.logs import open_log
from protocol.messages import AnyMessage, Heartbeat, Join, Message, Ready, Train
from protocol.sockets import Received, RouterSocket, Sendable
from tests.coordinator import tiny
from tests.coordinator.bench import RUN

NAMES = ("ann", "bob", "cid", "dee")


class Scripted:
    """A socket: all get ready, and whenever one of them is sent an order, ann has a heartbeat waiting."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], wakeup: Wakeup) -> None:
        self.raw = context.socket(zmq.PAIR)
        self.sent: list[tuple[str, AnyMessage]] = []
        self._wakeup = wakeup
        self._inbox: deque[tuple[str, Message]] = deque()
        for name in NAMES:
            self._inbox.append((name, Join(name=name, auditor=False, software="test")))
            ready = Ready(run=RUN, manifest_digest=tiny.MANIFEST.digest, split=tiny.SPLIT)
            self._inbox.append((name, ready))

    def receive(self) -> Received | None:
        if not self._inbox:
            return None
        name, message = self._inbox.popleft()
        return Received(name.encode(), [memoryview(frame) for frame in encode(message)])

    def send(self, peer: bytes, frames: Sequence[Sendable]) -> bool:
        plain = [frame.buffer if isinstance(frame, zmq.Frame) else memoryview(frame) for frame in frames]
        message = decode(plain, tiny.MANIFEST).message
        self.sent.append((peer.decode(), message))
        if isinstance(message, Train):
            self._inbox.append(("ann", Heartbeat(run=RUN)))
        if self.kinds.count("heartbeat") == len(NAMES):
            self._wakeup.interrupted = "the test is over"
        return True

    def close(self, linger_s: float) -> None:
        self.raw.close(0)

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


def test_who_says_something_is_answered_between_two_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "A_FEW_S", 0.0)
    scenario = tiny.scenario()
    state = FederationState(run=RUN, round=0)
    federation = Federation(scenario, tiny.MANIFEST, state, split=None, now=0.0, update_size=64)
    wakeup, context = Wakeup(), zmq.Context[zmq.Socket[bytes]]()
    socket = Scripted(context, wakeup)
    log: Any = open_log(tmp_path / "journal.jsonl", console=False)
    outcome = Daemon(
        federation,
        tiny.initial_parameters(scenario),
        UpdateSum(tiny.MANIFEST),
        encoding=Exact(tiny.MANIFEST),
        socket=cast(RouterSocket, socket),
        gate=cast(Gate, Open()),
        store=CheckpointStore(tmp_path, lambda _: False),
        journal=Journal(log),
        wakeup=wakeup,
        split_path=tmp_path / "split.json",
    ).run()
    context.term()
    wakeup.close()
    assert outcome is Outcome.INTERRUPTED
    assert socket.kinds == ["welcome"] * 4 + ["train", "heartbeat"] * 4
    assert [name for name, message in socket.sent if isinstance(message, Train)] == list(NAMES)
