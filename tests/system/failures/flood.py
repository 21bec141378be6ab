"""A participant that sends nonsense.

    python -m tests.system.failures.flood COORDINATOR KEYS NAME COUNT BEFORE SEED

It joins and trains like any other. Once BEFORE rounds are over it also sends COUNT messages that are
malformed, mutated, truncated or make no sense, as fast as they are taken. Then it prints, as JSON, how many
it sent by the reason for which they must have been refused, and goes on training.
"""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import zmq

from protocol.codec import CodecError, decode, encode
from protocol.header import pack_header
from protocol.key_files import read_key, read_public
from protocol.manifest import Manifest
from protocol.messages import (
    PROTOCOL_VERSION,
    EvaluationReport,
    Heartbeat,
    Join,
    Leave,
    Message,
    Ready,
    Refuse,
    Rejected,
    Shutdown,
    Train,
    Update,
    Welcome,
)
from protocol.scenario import parse_scenario
from protocol.sockets import DealerSocket
from tests.system.failures.light import SPLIT, LightRole, initial_parameters

Frames = list[bytes]
OTHER_RUN = "f" * 16
FUTURE = 2**31 - 1
PAUSE_MS = 1000


class Nonsense:
    """Messages, each with the reason for which it must be refused. All chance comes from ``seed``."""

    def __init__(self, welcome: Welcome, seed: str) -> None:
        self._manifest = welcome.manifest
        self._draw = random.Random(seed)
        self._right = _right(welcome)
        self._wrong = _wrong(welcome)

    def __iter__(self) -> Iterator[tuple[Frames, str]]:
        while True:
            if self._draw.random() < 0.3:
                yield self._draw.choice(self._wrong)
                continue
            frames = self._mutated(self._draw.choice(self._right))
            reason = self._reason(frames)
            if reason is not None:
                yield frames, reason

    def _mutated(self, frames: Frames) -> Frames:
        draw, mutated = self._draw, list(frames)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(mutated))
            frame = bytearray(mutated[at])
            match draw.randrange(6):
                case 0 if frame:
                    frame[draw.randrange(len(frame))] = draw.randrange(256)
                case 1:
                    del frame[draw.randrange(len(frame) + 1) :]
                case 2:
                    frame += draw.randbytes(draw.randrange(1, 64))
                case 3:
                    mutated.insert(at, draw.randbytes(draw.randrange(64)))
                    continue
                case 4 if len(mutated) > 1:
                    del mutated[at]
                    continue
                case _:
                    frame = bytearray(draw.randbytes(draw.randrange(300)))
            mutated[at] = bytes(frame)
        return mutated

    def _reason(self, frames: Frames) -> str | None:
        """None: it is in order by chance, or what is wrong depends on the round."""
        try:
            decode(frames, self._manifest)
        except CodecError as error:
            return None if isinstance(error.message, Update) else error.kind
        return None


def _right(welcome: Welcome) -> list[Frames]:
    run, model = welcome.run, initial_parameters(parse_scenario(welcome.scenario, source="the welcome"))
    digest = welcome.manifest.digest
    train = Train.model_validate(
        {"run": run, "round": 1, "share": {"index": 0, "count": 4}, "previous": 0, "keep_from": 0}
    )
    return [
        *(_frames(message) for message in (Heartbeat(run=run), Leave(run=run, reason="no reason"), welcome)),
        _frames(Join(name="eve", auditor=False, software="nonsense")),
        _frames(Ready(run=run, manifest_digest=digest, split=SPLIT)),
        _frames(EvaluationReport(run=run, round=1, seconds=1.0, measurements=())),
        [bytes(frame) for frame in encode(train, model)],
    ]


def _wrong(welcome: Welcome) -> list[tuple[Frames, str]]:
    """Well-formed, and not to be taken from this sender, or not now."""
    model = initial_parameters(parse_scenario(welcome.scenario, source="the welcome"))

    def update(run: str, number: int) -> Frames:
        return [bytes(part) for part in encode(Update(run=run, round=number, seconds=0.1), model)]

    other_version = pack_header({"version": PROTOCOL_VERSION + 1, "type": "join", "name": "eve"})
    return [
        (update(welcome.run, 0), "stale"),
        (update(welcome.run, FUTURE), "future"),
        (update(OTHER_RUN, 1), "foreign"),
        (_frames(Heartbeat(run=OTHER_RUN)), "foreign"),
        (_frames(welcome), "unexpected"),
        (_frames(Shutdown(run=welcome.run, failed=True, reason="because")), "unexpected"),
        ([other_version], "other_version"),
        ([], "malformed"),
    ]


def _frames(message: Message) -> Frames:
    return [bytes(part) for part in encode(message, None)]


class Flood:
    def __init__(self, coordinator: str, keys: Path, name: str) -> None:
        self._name = name
        self._role = LightRole(name)
        self._manifest: Manifest | None = None
        self._welcome: Welcome | None = None
        self._over = False
        self._round = 0
        self._socket = DealerSocket(
            zmq.Context(),
            coordinator,
            key=read_key(keys / f"{name}.key"),
            coordinator_key=read_public(str(keys / "coordinator.pub")),
        )

    def run(self, count: int, before: int, seed: str) -> None:
        self._say(_frames(Join(name=self._name, auditor=False, software="nonsense")))
        while self._round <= max(before, 2):  # before the third, nothing is stale
            self._hear(PAUSE_MS)
        assert self._welcome is not None
        sent: Counter[str] = Counter()
        nonsense = iter(Nonsense(self._welcome, seed))
        begun = time.time()
        while sum(sent.values()) < count and not self._over:
            frames, reason = next(nonsense)
            self._say(frames or [b""])
            sent[reason] += 1
            self._hear(0)
        print(json.dumps({"sent": sent, "begun": begun, "ended": time.time()}), flush=True)
        while not self._over:
            self._hear(PAUSE_MS)

    def _say(self, frames: Frames) -> None:
        while not self._socket.send(frames):
            self._socket.raw.poll(PAUSE_MS, zmq.POLLOUT)

    def _hear(self, patience_ms: int) -> None:
        if patience_ms:
            self._socket.raw.poll(patience_ms)
        while (frames := self._socket.receive()) is not None:
            decoded = decode(frames, self._manifest)
            match decoded.message:
                case Welcome() as welcome:
                    self._welcome, self._manifest = welcome, welcome.manifest
                    digest = welcome.manifest.digest
                    self._say(_frames(Ready(run=welcome.run, manifest_digest=digest, split=SPLIT)))
                case Train() as order if decoded.parameters is not None:
                    self._round = order.round
                    update = Update(run=order.run, round=order.round, seconds=0.0)
                    delta = self._role.update(order, decoded.parameters)
                    self._say([bytes(frame) for frame in encode(update, delta)])
                case Shutdown() as last:
                    self._say(_frames(Leave(run=last.run, reason="the run is over")))
                    self._over = True
                case Refuse() | Rejected() | _:
                    pass


if __name__ == "__main__":
    _, address, folder, its_name, count, before, seed = sys.argv
    Flood(address, Path(folder), its_name).run(int(count), int(before), seed)
