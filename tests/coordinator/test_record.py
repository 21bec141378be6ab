"""What is to last is written in its order, whatever waits, and nothing after what cannot be written."""

from typing import cast

import pytest

from coordinator.effects import NameModel, WriteCheckpoint
from coordinator.journal import CheckpointWritten, JournalEvent, RoundStarted, RunCompleted
from coordinator.lines import Journal
from coordinator.record import Record
from coordinator.state import FederationState
from coordinator.writing import CheckpointWriter
from protocol.errors import RunFailed
from protocol.manifest import Parameters
from tests.coordinator import tiny

MODEL, NEXT = tiny.parameters_of(1.0), tiny.parameters_of(2.0)
NAMED = NameModel(lambda digest: RunCompleted(7, digest, 1.0))
ORDER = WriteCheckpoint(FederationState(run="0" * 16, round=7), needed=True)
STARTED = RoundStarted(8, 1, ["ann"])


class Written:
    """Journal and writer of checkpoints in one: ``all`` that was written, while ``full`` is False, and how
    much of it was ``handed`` over."""

    def __init__(self) -> None:
        self.all: list[JournalEvent | tuple[WriteCheckpoint, Parameters]] = []
        self.full = False
        self.handed = 0

    def hand_over(self) -> None:
        self.handed = len(self.all)

    flush = hand_over

    def write(self, event: JournalEvent) -> None:
        self._take(event)

    def submit(self, order: WriteCheckpoint, model: Parameters) -> None:
        assert self.handed == len(self.all)
        self._take((order, model))

    def _take(self, what: JournalEvent | tuple[WriteCheckpoint, Parameters]) -> None:
        if self.full:
            raise RunFailed("no space left")
        self.all.append(what)


def record() -> tuple[Record, Written]:
    written = Written()
    return Record(cast(Journal, written), cast(CheckpointWriter, written), MODEL), written


def test_what_names_no_model_is_written_at_once() -> None:
    kept, written = record()
    kept.keep(STARTED)
    kept.keep(ORDER)
    assert written.all == [STARTED, (ORDER, MODEL)]


def test_a_checkpoint_waits_for_the_line_of_its_round_and_what_follows_for_both() -> None:
    kept, written = record()
    kept.made(NEXT)
    for what in (NAMED, ORDER, STARTED):
        kept.keep(what)
    assert written.all == []
    kept.digested("ab")
    assert written.all == [RunCompleted(7, "ab", 1.0), (ORDER, NEXT), STARTED]
    kept.keep(NAMED)
    assert written.all[-1] == RunCompleted(7, "ab", 1.0)


def test_what_waits_can_be_written_without_waiting() -> None:
    kept, written = record()
    kept.made(NEXT)
    kept.keep(NAMED)
    kept.keep(ORDER)
    kept.settle()
    assert written.all == [RunCompleted(7, NEXT.digest(), 1.0), (ORDER, NEXT)]
    assert written.handed == 2
    kept.digested(NEXT.digest())
    assert len(written.all) == 2


def test_of_a_resumed_run_the_digest_is_worked_out_where_it_is_needed() -> None:
    kept, written = record()
    kept.keep(NAMED)
    kept.keep(CheckpointWritten(7, "file", 0.1))
    kept.settle()
    assert written.all[0] == RunCompleted(7, MODEL.digest(), 1.0)


def test_nothing_follows_what_could_not_be_written() -> None:
    kept, written = record()
    kept.made(NEXT)
    kept.keep(NAMED)
    kept.keep(ORDER)
    written.full = True
    for _ in range(2):
        with pytest.raises(RunFailed):
            kept.settle()
    with pytest.raises(RunFailed):
        kept.keep(STARTED)
    assert written.all == []
    written.full = False
    kept.settle()
    assert written.all == [RunCompleted(7, NEXT.digest(), 1.0), (ORDER, NEXT), STARTED]
