"""What is to last of a run, in its order: lines of the journal, and checkpoints."""

from collections import deque

from coordinator.effects import NameModel, WriteCheckpoint
from coordinator.journal import JournalEvent
from coordinator.lines import Journal
from coordinator.writing import CheckpointWriter
from protocol.manifest import Parameters


class Record:
    """``model``: that after the last completed round.

    A line that names a model waits for its digest, and what follows for that line: a checkpoint that lasts
    while the line of its round does not would leave a hole in the journal, since a resumed run goes on after
    it. A line that waited has the time at which it was written.
    """

    def __init__(self, journal: Journal, writer: CheckpointWriter, model: Parameters) -> None:
        self._journal = journal
        self._writer = writer
        self._model = model
        self._digest: str | None = None  # unknown, until it is asked for
        self._waiting: deque[NameModel | WriteCheckpoint | JournalEvent] = deque()

    def made(self, model: Parameters) -> None:
        """A round has ended with this model; :meth:`digested` follows, and before it no other model."""
        self._model, self._digest = model, None

    def digested(self, digest: str) -> None:
        """Of the model that was made last. Raises what writing raises."""
        self._digest = digest
        self._write()

    def keep(self, what: NameModel | WriteCheckpoint | JournalEvent) -> None:
        """Raises :class:`~protocol.errors.RunFailed` when it cannot be written, or something before it."""
        self._waiting.append(what)
        self._write()

    def settle(self) -> None:
        """Write all that waits, the lines before this returns. Raises as :meth:`keep`."""
        self._journal.hand_over()  # a digest takes its time
        if self._waiting and self._digest is None:
            self._digest = self._model.digest()
        self._write()
        self._journal.flush()

    def _write(self) -> None:
        while self._waiting:
            match self._waiting[0]:
                case NameModel(event):
                    if self._digest is None:
                        return
                    self._journal.write(event(self._digest))
                case WriteCheckpoint() as order:
                    self._journal.hand_over()
                    self._writer.submit(order, self._model)
                case line:
                    self._journal.write(line)
            self._waiting.popleft()  # not before: nothing may follow what could not be written
