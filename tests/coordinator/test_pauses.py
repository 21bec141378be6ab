import pytest

from coordinator.pauses import Pause, Pauses


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_longest_of_several_is_told_once(clock: Clock) -> None:
    pauses = Pauses(clock)
    for seconds in (0.25, 1.0, 0.5):
        clock.after(seconds)
        pauses.looked()
    assert pauses.take().seconds == 1.0
    assert pauses.take() == Pause()


def test_to_wait_is_no_pause(clock: Clock) -> None:
    pauses = Pauses(clock)
    clock.after(0.25)
    pauses.looked()
    clock.after(60.0)
    pauses.waited()
    clock.after(0.5)
    pauses.looked()
    assert pauses.take().seconds == 0.5


def test_what_has_not_ended_counts_for_the_next(clock: Clock) -> None:
    pauses = Pauses(clock)
    clock.after(0.25)
    assert pauses.take() == Pause()
    clock.after(0.25)
    pauses.looked()
    assert pauses.take().seconds == 0.5


def test_of_the_longest_it_is_told_for_how_long_the_loop_had_a_processor(clock: Clock) -> None:
    processor = Clock()
    pauses = Pauses(clock, processor)
    for seconds, busy_s in ((0.5, 0.5), (1.0, 0.25), (0.75, 0.75)):
        clock.after(seconds)
        processor.after(busy_s)
        pauses.looked()
    processor.after(9.0)
    pauses.waited()
    assert pauses.take() == Pause(1.0, 0.25)
