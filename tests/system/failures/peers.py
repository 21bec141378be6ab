"""Many participants in one process.

    python -m tests.system.failures.peers COORDINATOR KEYS PREFIX COUNT [quiet]

Each has a connection and a conversation of its own, those of the real participant; the work is that of the
light role, without a thread. Ends when the run is over for all of them. ``quiet`` ones send no heartbeats.
"""

import heapq
import select
import sys
import time
from itertools import count
from pathlib import Path

import zmq

from participant.actions import Actions, Reconnect, Send, Start, Stop
from participant.conversation import Conversation, Phase
from participant.jobs import BuildJob, Built, Evaluated, Job, Outcome, Trained, TrainJob
from protocol.codec import decode, encode
from protocol.key_files import read_key, read_public
from protocol.messages import Join
from protocol.sockets import DealerSocket
from tests.system.failures.light import SPLIT, LightRole, work_s

PATIENCE_S = 600.0
LOOK_S = 0.02
BEAT_S = 0.1  # between looks at whose heartbeat is due


class Peer:
    def __init__(self, crowd: "Crowd", name: str) -> None:
        self.over = False
        self._crowd = crowd
        self._role = crowd.role(name)
        self._key = read_key(crowd.keys / f"{name}.key") if crowd.keys is not None else None
        join = Join(name=name, auditor=False, software="a crowd")
        self.conversation = Conversation(join, crowd.coordinator, PATIENCE_S, time.monotonic(), self._key)
        self.socket = self._open()

    @property
    def in_place(self) -> bool:
        return self.conversation.phase is Phase.READY

    def readable(self) -> None:
        while not self.over and (frames := self.socket.receive()) is not None:
            decoded = decode(frames, self.conversation.manifest)
            self._do(self.conversation.received(decoded.message, decoded.parameters, time.monotonic()))

    def tick(self, now: float) -> None:
        self._do(self.conversation.tick(now))

    def worked(self, job: Job) -> None:
        self._do(self.conversation.finished(job, self._outcome(job)))

    def _do(self, actions: Actions) -> None:
        for action in actions:
            match action:
                case Send(message=message, carried=carried):
                    # Before there is a connection a join is repeated by the tick.
                    if not self.socket.send(encode(message, carried)) and not isinstance(message, Join):
                        self._do(self.conversation.undelivered(time.monotonic()))
                case Start(job=job):
                    self._crowd.work(self, job)
                case Reconnect():
                    self._crowd.remove(self.socket)
                    self.socket.close(0)
                    self.socket = self._open()
                case Stop(error=error):
                    if error is not None:
                        raise error
                    self.over = True
                    self._crowd.remove(self.socket)

    def _outcome(self, job: Job) -> Outcome:
        if isinstance(job, BuildJob):
            return Built(self._role.manifest.digest, SPLIT, 0.0, "cpu")
        if isinstance(job, TrainJob):
            return Trained(self._role.update(job.order, job.start), 0.0)
        return Evaluated((), 0.0)

    def _open(self) -> DealerSocket:
        crowd = self._crowd
        socket = DealerSocket(
            crowd.context, crowd.coordinator, key=self._key, coordinator_key=crowd.coordinator_key
        )
        crowd.add(socket, self)
        return socket


class Crowd:
    """``keys``: None where the coordinator has none. ``quiet`` ones send no heartbeats. ``eager`` ones look
    as soon as there is something to be seen, and not now and then."""

    def __init__(
        self,
        coordinator: str,
        keys: Path | None,
        prefix: str,
        size: int,
        *,
        quiet: bool = False,
        eager: bool = False,
        role: type[LightRole] = LightRole,
    ) -> None:
        self.coordinator = coordinator
        self.keys = keys
        self.coordinator_key = read_public(str(keys / "coordinator.pub")) if keys is not None else None
        self.role = role
        self._quiet = quiet
        self._eager = eager
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, 6 * size + 8)  # each has two more that watch it
        # Not zmq's poller, which looks at all sockets each time: of 250 that takes longer than a message.
        self._poller = select.epoll()
        self._peer_at: dict[int, Peer] = {}
        self._work: list[tuple[float, int, Peer, Job]] = []
        self._order = count()
        self._peers = [Peer(self, f"{prefix}-{number}") for number in range(size)]

    def work(self, peer: Peer, job: Job) -> None:
        heapq.heappush(self._work, (time.monotonic() + work_s(), next(self._order), peer, job))

    def take_part(self) -> None:
        while there := [peer for peer in self._peers if not peer.over]:
            beats_at = time.monotonic() + BEAT_S
            while time.monotonic() < beats_at:
                for peer in self._ready():
                    peer.readable()
                now = time.monotonic()
                while self._work and self._work[0][0] <= now:
                    _, _, peer, job = heapq.heappop(self._work)
                    peer.worked(job)
                    peer.readable()  # a socket that was written to no longer tells what it had to be read
            now = time.monotonic()
            for peer in there:
                if now >= peer.conversation.next_beat and not (self._quiet and peer.in_place):
                    peer.tick(now)
                    peer.readable()
        self._poller.close()
        self.context.destroy(linger=1000)

    def _ready(self) -> list["Peer"]:
        if self._eager:
            due = self._work[0][0] - time.monotonic() if self._work else LOOK_S
            ready = self._poller.poll(max(0.0, due))
        else:
            # Of all of them now and then: to wake up for each message would cost more than they do.
            time.sleep(LOOK_S)
            ready = self._poller.poll(0)
        return [self._peer_at[fd] for fd, _ in ready]

    def add(self, socket: DealerSocket, peer: Peer) -> None:
        fd = int(socket.raw.get(zmq.FD))
        self._peer_at[fd] = peer
        self._poller.register(fd, select.EPOLLIN)

    def remove(self, socket: DealerSocket) -> None:
        fd = int(socket.raw.get(zmq.FD))
        self._poller.unregister(fd)
        del self._peer_at[fd]


if __name__ == "__main__":
    _, address, folder, prefix, size, *how = sys.argv
    Crowd(address, Path(folder), prefix, int(size), quiet="quiet" in how).take_part()
