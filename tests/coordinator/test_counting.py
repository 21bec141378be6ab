"""Updates are counted in the background: what is decided meanwhile, and what is not."""

import threading

import pytest

from coordinator.aggregation import UpdateSum
from coordinator.attempt import Arrival, Attempt, Objection
from coordinator.counting import SMALL, Counted, Counter, Stepped
from coordinator.journal import RoundCompleted, RoundRetried, UpdateAccepted, UpdateRejected
from coordinator.rounds import Phase
from protocol.errors import RunFailed
from protocol.manifest import Parameters
from protocol.messages import Accepted, Rejected, Update
from tests.coordinator import tiny
from tests.coordinator.bench import RUN, Bench
from tests.coordinator.test_rounds import DEADLINE_S, FOUR, begun, digests


def counting(**federation: object) -> Bench:
    bench = begun(**federation)
    bench.slow_counting = True
    return bench


class TestWhileAnUpdateIsCounted:
    def test_it_is_neither_accepted_nor_asked_for_again(self) -> None:
        bench = counting()
        bench.update("ann")
        assert bench.heard("ann", Accepted) == []
        bench.update("ann")
        assert bench.last(UpdateRejected).reason == "duplicate"
        bench.count()
        assert bench.heard("ann", Accepted) == [Accepted(run=RUN, round=1)]

    def test_the_deadline_waits_for_it(self) -> None:
        bench, undisturbed = counting(), begun()
        for name in FOUR[:3]:
            bench.update(name)
            undisturbed.update(name)
        for each in (bench, undisturbed):
            each.after(DEADLINE_S)
        assert bench.all(RoundCompleted) == []
        bench.count()
        bench.after(1)
        bench.count()
        assert bench.last(RoundCompleted).received == 3
        assert digests(bench) == digests(undisturbed)

    def test_its_participant_may_leave_or_be_lost_and_it_counts(self) -> None:
        bench = counting()
        for name in FOUR:
            bench.update(name)
        bench.leave("ann")
        bench.lose("bob")
        bench.count()
        assert bench.last(RoundCompleted).received == 4

    def test_another_attempt_may_begin_and_it_does_not_count(self) -> None:
        bench = counting(min_updates=4)
        bench.lose("dee")
        bench.after(DEADLINE_S)
        assert bench.federation.rounds.phase is Phase.WAITING
        bench.update("ann")
        bench.ready("eve")
        assert bench.last(RoundRetried).attempt == 2
        bench.count()
        assert bench.all(UpdateAccepted) == []
        for name in sorted(bench.selected):
            bench.update(name)
        bench.count()
        assert bench.last(RoundCompleted).received == 4

    def test_a_bad_one_is_rejected_when_it_is_found_out_and_no_longer_waited_for(self) -> None:
        bench = counting(attempts=1)
        bench.update("ann")
        bench.update("bob")
        bench.count()
        bench.after(DEADLINE_S + 1)
        assert bench.federation.rounds.phase is Phase.WAITING
        bench.bad = {"dee"}
        bench.update("cid")
        bench.update("dee")
        bench.count()
        assert bench.heard("dee", Rejected)[0].reason == "non_finite"
        assert bench.last(RoundCompleted).received == 3

    def test_one_that_comes_while_the_round_is_closed_is_late(self) -> None:
        bench = begun()
        for name in FOUR[:3]:
            bench.update(name)
        bench.slow_counting = True
        bench.after(DEADLINE_S)
        assert bench.federation.rounds.phase is Phase.CLOSING
        bench.update("dee")
        assert bench.last(UpdateRejected).reason == "late"
        bench.count()
        assert bench.last(RoundCompleted).received == 3


class SlowSum(UpdateSum):
    """Adds only once ``free`` is set."""

    free = threading.Event()

    def add(self, update: Parameters) -> float:
        assert self.free.wait(60)
        return super().add(update)


def arrival(name: str) -> Arrival:
    return Arrival(b"", name, Update(run=RUN, round=1, seconds=0.1), 64, 0.1, Attempt(1, 1, {name}, begun=0))


class TestTheCounter:
    def test_what_is_small_is_done_at_once(self) -> None:
        told: list[None] = []
        counter = Counter(UpdateSum(tiny.MANIFEST), SMALL, lambda: told.append(None))
        counter.add(arrival("ann"), tiny.update("ann", 1))
        (done,) = counter.finished()
        assert isinstance(done, Counted)
        assert done.outcome == UpdateSum(tiny.MANIFEST).add(tiny.update("ann", 1))
        assert told == [None]
        counter.close()

    def test_what_is_large_is_done_in_order_in_the_background(self) -> None:
        told = threading.Semaphore(0)
        total = SlowSum(tiny.MANIFEST)
        total.free.clear()
        counter = Counter(total, SMALL + 1, told.release)
        bad = tiny.parameters_of(float("nan"))
        model = tiny.values(0, "model")
        counter.add(arrival("ann"), tiny.update("ann", 1))
        counter.clear()
        counter.add(arrival("bob"), bad)
        counter.add(arrival("cid"), tiny.update("cid", 1))
        counter.step(model, 0.5)
        assert counter.finished() == []
        total.free.set()
        for _ in range(5):
            assert told.acquire(timeout=60)
        ann, bob, cid, step = counter.finished()
        counter.close()
        assert isinstance(ann, Counted)
        assert isinstance(bob, Counted)
        assert isinstance(cid, Counted)
        assert isinstance(step, Stepped)
        assert [each.arrival.name for each in (ann, bob, cid)] == ["ann", "bob", "cid"]
        assert isinstance(bob.outcome, Objection)
        assert bob.outcome.reason == "non_finite"
        expected = UpdateSum(tiny.MANIFEST)
        expected.add(tiny.update("cid", 1))
        assert step.digest == step.model.digest() == expected.step(model, 0.5).digest()

    @pytest.mark.parametrize("size", [SMALL, SMALL + 1])
    def test_a_model_that_is_not_finite_is_said_where_it_is_asked_for(self, size: int) -> None:
        told = threading.Semaphore(0)
        counter = Counter(UpdateSum(tiny.MANIFEST), size, told.release)
        counter.add(arrival("ann"), tiny.parameters_of(1.0))
        counter.step(tiny.parameters_of(3e38), 1e38)
        for _ in range(2):
            assert told.acquire(timeout=60)
        with pytest.raises(RunFailed, match="not finite"):
            counter.finished()
        counter.close()
