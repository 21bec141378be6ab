"""Who gets in: answers libzmq's question about each key that a connection shows (ZAP, RFC 27), by an
allow-list that may change at any time. Nothing that a stranger sends gets further than this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from coordinator.journal import AllowListChanged, AllowListIgnored
from coordinator.limits import Buckets
from protocol.errors import UsageProblem
from protocol.key_files import ALLOWED, read_allowed

LOOK_S = 0.5
# Of one key: each costs some scalar multiplications, and a participant that has lost its connection needs one
# a second at most.
HANDSHAKES = 60.0
HANDSHAKES_PER_S = 2.0


@dataclass(frozen=True, slots=True)
class Stranger:
    """``key`` is not on the list; ``name``: of the one that had it before."""

    address: str
    key: str
    name: str | None


class AllowFile:
    """The allow-list in a directory, read again when it changes. ``current`` is the last good one.

    Raises :class:`UsageProblem` when there is none to begin with.
    """

    def __init__(self, directory: Path) -> None:
        self.before: dict[str, str] = {}  # names of keys that were on it
        self._directory = directory
        self._ignored = False  # what the file said last
        self._path = directory / ALLOWED
        self._read = self._seen = self._state()
        self.current = read_allowed(directory)

    def look(self) -> AllowListChanged | AllowListIgnored | None:
        """What has happened to the file, if anything. A change counts once the file has been as it is for two
        looks: an editor that writes in place has it empty for a moment, which would throw everybody out."""
        state, seen = self._state(), self._seen
        self._seen = state
        if state == self._read or state != seen:
            return None
        self._read = state
        try:
            new = read_allowed(self._directory)
        except UsageProblem as problem:
            self._ignored = True
            return AllowListIgnored(str(problem))
        old, self.current = self.current, new
        known = {**self.before, **old.names}
        self.before = {key: name for key, name in known.items() if key not in new.names}
        added = sorted(name for key, name in new.names.items() if old.names.get(key) != name)
        removed = sorted(name for key, name in old.names.items() if new.names.get(key) != name)
        ignored, self._ignored = self._ignored, False
        # After nonsense also when it is as before: that it is in force again has to be said.
        return AllowListChanged(added, removed) if added or removed or ignored else None

    def _state(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError as error:
            return (error.errno or 0,)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Doorkeeper:
    """Has to be there before the context's first handshake."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: AllowFile) -> None:
        self.allowed = allowed
        self.raw = context.socket(zmq.REP)
        self.raw.set(zmq.LINGER, 0)
        self.raw.set(zmq.RCVHWM, 0)  # libzmq's side of it must never wait for us
        self.raw.bind("inproc://zeromq.zap.01")
        self._handshakes: Buckets[str] = Buckets(HANDSHAKES, HANDSHAKES_PER_S)

    def answer(self, now: float) -> Iterator[Stranger]:
        """Answer one question at a time; yields whom that turned away."""
        while True:
            try:
                _, request, _, address, _, mechanism, *credentials = self.raw.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            key = z85.encode(credentials[0]).decode() if mechanism == b"CURVE" else ""
            name = self.allowed.current.names.get(key)
            if name is None:
                self._say(request, b"400")
                yield Stranger(address.decode(), key, self.allowed.before.get(key))
            elif not self._handshakes.take(key, now):
                self._say(request, b"300")  # try again later
            else:
                # The key and not its name: whose it is can change while the connection lasts.
                self._say(request, b"200", key.encode())

    def _say(self, request: bytes, status: bytes, user: bytes = b"") -> None:
        self.raw.send_multipart([b"1.0", request, status, b"", user, b""])

    def close(self) -> None:
        self.raw.close(linger=0)
