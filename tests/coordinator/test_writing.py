"""Checkpoints in the background: in order, the newest when the disk is slow, and failures are not lost."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.checkpoints import CheckpointStore
from coordinator.effects import WriteCheckpoint
from coordinator.keeping import Keeping
from coordinator.state import FederationState
from coordinator.writing import MOST_WAITING, CheckpointWriter
from protocol.errors import RunFailed
from protocol.manifest import Parameters
from tests.coordinator import tiny

RUN = "0123456789abcdef"


class SlowStore(CheckpointStore):
    """Writes only once ``free`` is set."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, lambda _: True)
        self.free = threading.Event()

    def write(self, state: FederationState, model: Parameters) -> Path:
        assert self.free.wait(60)
        return super().write(state, model)


@pytest.fixture
def store(tmp_path: Path) -> SlowStore:
    return SlowStore(tmp_path / "checkpoints")


@pytest.fixture
def told() -> threading.Event:
    return threading.Event()


@pytest.fixture
def writer(store: SlowStore, told: threading.Event) -> Iterator[CheckpointWriter]:
    writer = CheckpointWriter(store, told.set, first=lambda: None)
    yield writer
    store.free.set()
    writer.close()


def order(number: int, *, needed: bool) -> WriteCheckpoint:
    return WriteCheckpoint(FederationState(run=RUN, round=number), needed)


def test_says_when_something_has_been_written(
    writer: CheckpointWriter, store: SlowStore, told: threading.Event
) -> None:
    writer.submit(order(1, needed=True), tiny.values(1))
    assert writer.finished() == []
    store.free.set()
    assert told.wait(60)
    assert [written.state.round for written in writer.drain()] == [1]
    assert writer.finished() == []


def test_a_slow_disk_leaves_out_what_a_later_one_replaces_but_nothing_that_is_needed(
    writer: CheckpointWriter, store: SlowStore
) -> None:
    for number, needed in [(1, False), (2, True), (3, False), (4, False), (5, True)]:
        writer.submit(order(number, needed=needed), tiny.values(number))
    store.free.set()
    assert [written.state.round for written in writer.drain()] == [1, 2, 5]


def test_a_disk_slower_than_the_rounds_never_makes_it_hold_many_models(
    writer: CheckpointWriter, store: SlowStore
) -> None:
    store.free.set()
    for number in range(100):
        writer.submit(order(number, needed=True), tiny.values(number))
        held = [waiting for waiting in range(100) if writer.model_of(waiting) is not None]
        assert len(held) <= MOST_WAITING + 1
    assert [written.state.round for written in writer.drain()] == list(range(100))


def test_a_model_that_is_not_on_disk_yet_can_be_had(writer: CheckpointWriter, store: SlowStore) -> None:
    models = {number: tiny.values(number) for number in (1, 2)}
    for number, model in models.items():
        writer.submit(order(number, needed=True), model)
    assert writer.model_of(1) is models[1]
    assert writer.model_of(2) is models[2]
    assert writer.model_of(3) is None
    store.free.set()
    writer.drain()
    assert writer.model_of(1) is None
    assert store.load(1).model.digest() == models[1].digest()


def test_waits_for_what_must_be_on_the_disk_before(tmp_path: Path) -> None:
    lines, asked = threading.Event(), threading.Event()

    def first() -> None:
        asked.set()
        assert lines.wait(60)

    store = CheckpointStore(tmp_path, lambda _: True)
    with contextlib.closing(CheckpointWriter(store, lambda: None, first=first)) as writer:
        writer.submit(order(1, needed=True), tiny.values(1))
        assert asked.wait(60)
        assert list(tmp_path.iterdir()) == []
        lines.set()
        writer.drain()
    assert store.rounds() == [1]


def test_is_not_written_when_what_must_be_there_before_is_not(tmp_path: Path) -> None:
    def first() -> None:
        raise RunFailed("no space left")

    store = CheckpointStore(tmp_path, lambda _: True)
    with contextlib.closing(CheckpointWriter(store, lambda: None, first=first)) as writer:
        writer.submit(order(1, needed=True), tiny.values(1))
        with pytest.raises(RunFailed, match="no space left"):
            writer.drain()
    assert list(tmp_path.iterdir()) == []


def test_a_failure_reaches_the_loop(writer: CheckpointWriter, store: SlowStore) -> None:
    store.directory.write_text("not a directory")
    store.free.set()
    writer.submit(order(1, needed=True), tiny.values(1))
    with pytest.raises(RunFailed, match="cannot write"):
        writer.drain()


class TestWhatParticipantsMustKeep:
    """A restart loads the newest checkpoint, or the one before it."""

    def test_is_everything_until_there_are_two_checkpoints(self) -> None:
        keeping = Keeping(FederationState(run=RUN, round=0))
        keeping.writing(5, {"ann": 5})
        assert keeping.written(5) == {}

    def test_begins_at_the_older_of_the_newest_two(self) -> None:
        keeping = Keeping(FederationState(run=RUN, round=0))
        for number in (5, 10, 15):
            keeping.writing(number, {"ann": number - 1})
            known = keeping.written(number)
        assert known == {"ann": 9}

    def test_goes_on_from_the_checkpoint_that_was_loaded(self) -> None:
        state = FederationState(run=RUN, round=10, previous={"ann": 9}, keep_from={"ann": 4})
        keeping = Keeping(state)
        keeping.writing(15, {"ann": 14})
        assert keeping.written(15) == {"ann": 9}

    def test_writing_a_round_again_counts_once(self) -> None:
        keeping = Keeping(FederationState(run=RUN, round=0))
        for number in (5, 10, 10):
            keeping.writing(number, {"ann": number})
            known = keeping.written(number)
        assert known == {"ann": 5}
