"""The daemon's loop: one thread that polls the socket, asks the federation and performs what it answers."""

import contextlib
import os
import time
from collections import deque
from enum import Enum, auto
from functools import partial
from pathlib import Path

import zmq

from coordinator.aggregation import Aggregation
from coordinator.attempt import Arrival
from coordinator.background import Background
from coordinator.checkpoints import CheckpointProblem, CheckpointStore
from coordinator.counting import Counted, Counter, Digested, Stepped
from coordinator.effects import (
    CloseRound,
    DiscardUpdates,
    Effect,
    Finish,
    SaveSplit,
    Send,
    WriteCheckpoint,
)
from coordinator.federation import Federation
from coordinator.gate import Gate
from coordinator.journal import RunFailedEvent, RunInterrupted
from coordinator.lines import Journal
from coordinator.pauses import Pauses
from coordinator.record import Record
from coordinator.wakeup import Wakeup
from coordinator.writing import CheckpointWriter, Written
from protocol.codec import CodecError, encode, encode_header
from protocol.codec import decode as decode_frames
from protocol.encodings import Encoding
from protocol.errors import RunFailed
from protocol.files import write_whole
from protocol.manifest import Parameters
from protocol.messages import Evaluate, Heartbeat, Join, Leave, Train, Update
from protocol.pieces import cut
from protocol.sockets import Received, RouterSocket, for_many

BETWEEN_TICKS_S = 0.1
# To send a model to a thousand takes half a second. While that goes on, whoever says something is answered
# after so long.
A_FEW_S = 0.01
PARENT_CHECK_S = 1.0
LAST_WORDS_S = 5.0


class Outcome(Enum):
    COMPLETED = auto()
    INTERRUPTED = auto()


class Daemon:
    """Owns the model, the sum of updates and the socket. ``model`` is that after the last completed round."""

    def __init__(
        self,
        federation: Federation,
        model: Parameters,
        updates: Aggregation,
        *,
        encoding: Encoding,
        socket: RouterSocket,
        gate: Gate,
        store: CheckpointStore,
        journal: Journal,
        wakeup: Wakeup,
        split_path: Path,
        parent: int | None = None,
    ) -> None:
        self._federation = federation
        self._model = model
        self._update_sizes = encoding.sizes
        self._counter = Counter(updates, encoding, model.manifest.size, wakeup.notify)
        self._socket = socket
        self._gate = gate
        self._store = store
        self._journal = journal
        self._wakeup = wakeup
        self._split_path = split_path
        self._parent = parent
        self._files = Background("files", wakeup.notify)
        self._writer = CheckpointWriter(store, wakeup.notify, first=self._on_disk)
        self._record = Record(journal, self._writer, model)
        self._poller = zmq.Poller()
        for raw in (socket.raw, *gate.sockets):
            self._poller.register(raw, zmq.POLLIN)
        self._poller.register(wakeup.fileno(), zmq.POLLIN)
        self._bytes_in = self._bytes_out = 0
        self._pauses = Pauses()
        self._orders: deque[Send] = deque()  # to train, which are sent a few at a time
        self._on_loan: tuple[Parameters, list[zmq.Frame]] | None = None  # what was sent last
        self._finished = False

    def run(self) -> Outcome:
        """Until the run is complete or interrupted. Raises :class:`RunFailed`, having told everybody."""
        try:
            self._perform(self._federation.start(time.monotonic()))
            while not self._finished and self._wakeup.interrupted is None:
                self._wait()
                self._receive()
                self._collect()
                self._send_orders()
                for effects in self._gate.tend(time.monotonic()):
                    self._perform(effects)
                for written in self._writer.finished():
                    self._acknowledge(written)
                self._perform(self._federation.tick(time.monotonic()))
                self._collect()
            if not self._finished:
                self._stop_in_the_middle(self._wakeup.interrupted or "")
            if not self._finished:
                return Outcome.INTERRUPTED
            self._record.settle()
            self._see_off()
            return Outcome.COMPLETED
        except RunFailed as failure:
            self._fail(str(failure))
            raise
        finally:
            with contextlib.suppress(Exception):  # that of what ends this is the one to be told
                self._journal.hand_over()
            self._counter.close()
            self._writer.close()
            self._files.close()
            self._socket.close(LAST_WORDS_S)

    # The loop's parts

    def _wait(self) -> None:
        self._journal.hand_over()
        self._files.check()
        now = time.monotonic()
        patience = min(self._federation.wake_at(now), self._gate.wake_at()) - now
        if self._parent is not None:
            patience = min(patience, PARENT_CHECK_S)
        self._pauses.looked()
        self._poller.poll(0 if self._orders else max(0, round(patience * 1000) + 1))
        self._pauses.waited()
        self._wakeup.drain()
        if self._parent is not None and os.getppid() != self._parent:
            self._wakeup.interrupted = "the process that started this one has ended"

    def _receive(self) -> None:
        # By time, not by number: to refuse the largest header takes a thousand times as long as a heartbeat.
        until = time.monotonic() + (A_FEW_S if self._orders else BETWEEN_TICKS_S)
        while (received := self._socket.receive()) is not None:
            self._perform(self._take(received))
            self._collect()
            self._pauses.looked()
            if time.monotonic() > until:
                return

    def _take(self, received: Received) -> list[Effect]:
        now = time.monotonic()
        peer, frames = received.peer, received.frames
        size = sum(frame.nbytes for frame in frames)
        self._bytes_in += size
        turned_away = self._gate.turned_away(received, now)
        if turned_away is not None:
            return turned_away
        try:
            decoded = decode_frames(frames, self._model.manifest, self._update_sizes)
        except CodecError as error:
            return self._federation.undecodable(
                peer, error.kind, error.detail, error.message, now, key=received.key
            )
        match decoded.message:
            case Join() as join:
                holder = self._federation.membership.named(join.name)
                reachable = holder is not None and self._reachable(holder.peer)
                return self._federation.join(peer, join, now, holder_reachable=reachable, key=received.key)
            case Update() as update:
                arrival = self._federation.update(peer, update, now, size=size, key=received.key)
                if not isinstance(arrival, Arrival):
                    return arrival
                assert decoded.update is not None
                self._counter.add(arrival, decoded.update)
                return []
            case Heartbeat(run=run) if run == self._federation.run and self._waits(received):
                # An answer would wait behind what is on its way there, and so would the next: until there
                # are so many that the peer seems stuck.
                self._federation.hears(peer, now)
                return []
            case message:
                return self._federation.receive(peer, message, now, key=received.key)

    def _waits(self, received: Received) -> bool:
        return received.fd is not None and self._socket.waits(received.fd)

    def _reachable(self, peer: bytes) -> bool:
        return self._socket.send(peer, encode(Heartbeat(run=self._federation.run)))

    # Effects

    def _perform(self, effects: list[Effect]) -> None:
        pending = deque(effects)
        while pending:
            match pending.popleft():
                case Send(message=Train()) as order:
                    self._orders.append(order)
                case Send() as send:
                    pending.extend(self._send(send))
                case DiscardUpdates():
                    self._orders.clear()  # those that are left are of the attempt before
                    self._counter.clear()
                case CloseRound(rate=rate):
                    self._counter.step(self._model, rate)
                case SaveSplit(split):
                    data = split.model_dump_json(indent=1).encode()
                    self._files.submit(partial(write_whole, self._split_path, data))
                case Finish():
                    self._finished = True
                case lasting:
                    self._record.keep(lasting)

    def _send(self, send: Send) -> list[Effect]:
        now = time.monotonic()
        message = send.message
        parameters: Parameters | None = None
        if isinstance(message, Train):
            parameters = self._model
        elif isinstance(message, Evaluate):
            try:
                parameters = self._model_of(message.round)
            except CheckpointProblem as problem:
                return self._federation.evaluation_lost(message.round, str(problem), now)
        frames = [encode_header(message), *(self._loaned(parameters) if parameters else ())]
        if not self._socket.send(send.peer, frames):
            return self._federation.unreachable(send.peer, now)
        self._bytes_out += sum(len(frame) for frame in frames)
        return []

    def _send_orders(self) -> None:
        """A few; the others after those who want something meanwhile."""
        until = time.monotonic() + A_FEW_S
        while self._orders:
            self._perform(self._send(self._orders.popleft()))
            if time.monotonic() > until:
                return

    def _loaned(self, model: Parameters) -> list[zmq.Frame]:
        if self._on_loan is None or self._on_loan[0] is not model:
            self._on_loan = (model, for_many(cut(model.frames())))
        return self._on_loan[1]

    def _model_of(self, number: int) -> Parameters:
        if number == self._federation.rounds.completed:
            return self._model
        return self._writer.model_of(number) or self._store.load(number).model

    def _collect(self) -> None:
        """What the counter has done, and what follows from it."""
        for done in self._counter.finished():
            match done:
                case Counted():
                    self._perform(self._counted(done))
                case Stepped():
                    self._perform(self._closed(done))
                    self._send_orders()
                case Digested(digest):
                    self._record.digested(digest)

    def _counted(self, done: Counted) -> list[Effect]:
        return self._federation.counted(done.arrival, done.outcome, time.monotonic())

    def _closed(self, done: Stepped) -> list[Effect]:
        self._model = done.model
        self._record.made(done.model)
        traffic = self._bytes_in, self._bytes_out
        self._bytes_in = self._bytes_out = 0
        return self._federation.round_closed(
            time.monotonic(),
            bytes_in=traffic[0],
            bytes_out=traffic[1],
            pause=self._pauses.take(),
        )

    def _acknowledge(self, written: Written) -> None:
        self._perform(
            self._federation.checkpoint_written(
                written.state, written.path.name, written.seconds, time.monotonic()
            )
        )

    # Endings before the end

    def _stop_in_the_middle(self, reason: str) -> None:
        # No shutdown is sent: the participants go on looking for a coordinator, and --resume finds them.
        self._record.settle()
        self._drain()
        if self._finished:
            return  # the checkpoint that was under way was the last one
        state = self._federation.state(time.monotonic())
        self._record.keep(WriteCheckpoint(state, needed=True))
        self._drain()
        self._record.keep(RunInterrupted(state.round, reason))
        self._record.settle()

    def _on_disk(self) -> None:
        """What must be there before a checkpoint is: the split, and the line of its round. In a thread."""
        self._files.flush()
        self._journal.written()

    def _drain(self) -> None:
        for written in self._writer.drain():
            self._acknowledge(written)

    def _fail(self, reason: str) -> None:
        # Whatever it is that fails again, everybody has to be told of the first failure.
        with contextlib.suppress(Exception):
            self._record.settle()
        with contextlib.suppress(Exception):  # when it is the journal's disk that is full
            self._journal.write(RunFailedEvent(self._federation.rounds.completed, reason))
            self._journal.flush()
        for effect in self._federation.shut_down(failed=True, reason=reason):
            if isinstance(effect, Send):
                self._send(effect)
        self._see_off()

    def _see_off(self) -> None:
        """Read on until everybody who was told of the end has left. A connection that is closed with
        messages unread is reset, which can take our last words with it."""
        for raw in self._gate.sockets:
            self._poller.unregister(raw)  # nobody reads these any more, and what is there would end each poll
        there = {member.peer for member in self._federation.membership.everybody()}
        deadline = time.monotonic() + LAST_WORDS_S
        while there and (patience := deadline - time.monotonic()) > 0:
            self._poller.poll(round(patience * 1000) + 1)
            self._wakeup.drain()
            while time.monotonic() < deadline and (received := self._socket.receive()) is not None:
                with contextlib.suppress(CodecError):
                    if isinstance(decode_frames(received.frames, self._model.manifest).message, Leave):
                        there.discard(received.peer)
