"""Work with the disk beside the loop: in its order, and none after some that failed."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from coordinator import background as module
from coordinator.background import Background
from protocol.errors import RunFailed


@pytest.fixture
def told() -> threading.Event:
    return threading.Event()


@pytest.fixture
def background(told: threading.Event) -> Iterator[Background]:
    with closing(Background("test", told.set)) as background:
        yield background


def fail() -> None:
    raise RunFailed("no space left")


def test_nobody_waits_for_it_but_who_wants_to(background: Background, told: threading.Event) -> None:
    done: list[int] = []
    free = threading.Event()
    background.submit(lambda: done.append(int(free.wait(60))))
    for number in range(2, 5):
        background.submit(partial(done.append, number))
    background.check()
    assert done == []
    free.set()
    background.flush()
    assert done == [1, 2, 3, 4]
    assert not told.is_set()


def test_nothing_is_done_after_what_failed(background: Background, told: threading.Event) -> None:
    done: list[int] = []
    free = threading.Event()

    def wait_and_fail() -> None:
        assert free.wait(60)
        fail()

    background.submit(wait_and_fail)
    background.submit(lambda: done.append(1))
    free.set()
    assert told.wait(60)
    for again in (background.flush, background.check, lambda: background.submit(lambda: done.append(2))):
        with pytest.raises(RunFailed, match="no space left"):
            again()
    assert done == []


def test_another_thread_can_wait_for_it(background: Background) -> None:
    free, waits = threading.Event(), threading.Event()
    seen: list[bool] = []

    def wait() -> None:
        waits.set()
        background.flush()
        seen.append(free.is_set())

    background.submit(lambda: None if free.wait(60) else fail())
    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(60)
    free.set()
    thread.join(60)
    assert seen == [True]


def test_a_disk_that_stays_behind_is_waited_for(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BEHIND_S", 0.0)
    done: list[int] = []

    def slowly(number: int) -> None:
        time.sleep(0.01)
        done.append(number)

    for number in range(10):
        background.submit(partial(slowly, number))
        assert len(done) >= number - 1


def test_what_was_submitted_is_done_before_it_closes() -> None:
    done: list[int] = []
    with closing(Background("test", lambda: None)) as background:
        for number in range(100):
            background.submit(partial(done.append, number))
    assert done == list(range(100))
