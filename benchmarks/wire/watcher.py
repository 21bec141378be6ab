"""How long the coordinator takes to answer: python -m benchmarks.wire.watcher ADDRESS NAME [KEYS]

A participant that joins, never says that it is ready, and sends a heartbeat, waits for the answer, and sends
the next one a little later: whatever keeps the coordinator from its connections, keeps it from the answer. Of
that time nothing is taken off: it holds the way there and back, and whatever else the processors had to do.
How late this process itself woke up at most says how much that can be. Prints both when the run is over.
"""

import json
import sys
import time
from pathlib import Path

import zmq

from protocol.codec import decode, encode
from protocol.key_files import read_key, read_public
from protocol.keys import KeyPair
from protocol.messages import Heartbeat, Join, Leave, Message, Shutdown, Welcome
from protocol.sockets import DealerSocket

# A coordinator takes 20 + 4 / heartbeat_s messages a second in the long run, and those of a minute at once.
AT_ONCE, SOON_S, LATER_S = 1000, 0.02, 0.06
PATIENCE_S = 600.0


class Watcher:
    def __init__(self, socket: DealerSocket) -> None:
        self._socket = socket
        self._poller = zmq.Poller()
        self._poller.register(socket.raw, zmq.POLLIN)
        self.answer_s = self.late_s = 0.0
        self.heartbeats = 0

    def watch(self, name: str) -> None:
        """Until the run is over."""
        welcome = self._ask(Join(name=name, auditor=False, software="a watcher"))
        assert isinstance(welcome, Welcome), welcome
        while True:
            answer = self._ask(Heartbeat(run=welcome.run))
            self.heartbeats += 1
            if isinstance(answer, Shutdown) or isinstance(self._pause(), Shutdown):
                self._socket.send(encode(Leave(run=welcome.run, reason="the run is over")))
                return

    def _ask(self, message: Message) -> Message:
        while not self._socket.send(encode(message)):
            time.sleep(SOON_S)  # there is no connection yet
        begun = time.perf_counter()
        answer = self._next(PATIENCE_S)
        assert answer is not None, f"no answer to {message}"
        if isinstance(message, Heartbeat):
            self.answer_s = max(self.answer_s, time.perf_counter() - begun)
        return answer

    def _pause(self) -> Message | None:
        """What came meanwhile, unasked; None: nothing but a heartbeat."""
        due = time.perf_counter() + (SOON_S if self.heartbeats < AT_ONCE else LATER_S)
        while (left := due - time.perf_counter()) > 0:
            answer = self._next(left)
            if answer is not None and not isinstance(answer, Heartbeat):
                return answer
        self.late_s = max(self.late_s, -left)
        return None

    def _next(self, timeout_s: float) -> Message | None:
        self._poller.poll(max(1, round(1000 * timeout_s)))
        frames = self._socket.receive()
        return None if frames is None else decode(frames, None).message


def main(address: str, name: str, keys: Path | None) -> None:
    own: KeyPair | None = None
    coordinator: str | None = None
    if keys is not None:
        own, coordinator = read_key(keys / f"{name}.key"), read_public(str(keys / "coordinator.pub"))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = DealerSocket(context, address, key=own, coordinator_key=coordinator)
    watcher = Watcher(socket)
    watcher.watch(name)
    socket.close(1.0)
    context.term()
    found = {"answer_s": watcher.answer_s, "late_s": watcher.late_s, "heartbeats": watcher.heartbeats}
    print(json.dumps(found))


if __name__ == "__main__":
    _, address, name, *folder = sys.argv
    main(address, name, Path(folder[0]) if folder else None)
