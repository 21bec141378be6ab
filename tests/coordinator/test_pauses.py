import pytest

from coordinator.pauses import Pauses


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
    assert pauses.take() == 1.0
    assert pauses.take() == 0.0


def test_to_wait_is_no_pause(clock: Clock) -> None:
    pauses = Pauses(clock)
    clock.after(0.25)
    pauses.looked()
    clock.after(60.0)
    pauses.waited()
    clock.after(0.5)
    pauses.looked()
    assert pauses.take() == 0.5


def test_what_has_not_ended_counts_for_the_next(clock: Clock) -> None:
    pauses = Pauses(clock)
    clock.after(0.25)
    assert pauses.take() == 0.0
    clock.after(0.25)
    pauses.looked()
    assert pauses.take() == 0.5
