"""Updates are counted in the background: what is decided meanwhile, and what is not."""

import threading

import pytest

from coordinator.aggregation import UpdateSum
from coordinator.attempt import Arrival, Attempt, Objection
from coordinator.counting import SMALL, Counted, Counter, Digested, Stepped
from coordinator.journal import RoundCompleted, RoundRetried, UpdateAccepted, UpdateRejected
from coordinator.rounds import Phase
from coordinator.transfers import Transfers
from protocol.encodings import Delta, Exact
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


def one_short() -> Bench:
    """The deadline has passed with two updates of three that are needed, and there is no other attempt."""
    bench = counting(attempts=1)
    bench.update("ann")
    bench.update("bob")
    bench.count()
    bench.after(DEADLINE_S + 1)
    assert bench.federation.rounds.phase is Phase.WAITING
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

    def test_no_other_attempt_begins_though_somebody_new_is_there(self) -> None:
        bench = counting(min_updates=4)
        bench.lose("dee")
        bench.after(DEADLINE_S)
        assert bench.federation.rounds.phase is Phase.WAITING
        for name in FOUR[:3]:
            bench.update(name)
        bench.ready("eve")
        assert bench.all(RoundRetried) == []
        bench.count()
        assert len(bench.all(UpdateAccepted)) == 3
        bench.after(1)
        bench.count()
        assert bench.last(RoundRetried).attempt == 2
        for name in sorted(bench.selected):
            bench.update(name)
        bench.count()
        assert bench.last(RoundCompleted).received == 4

    def test_a_round_that_it_completes_is_not_begun_anew_for_somebody_new(self) -> None:
        bench = one_short()
        bench.update("cid")
        bench.ready("eve")
        bench.count()
        assert bench.all(RoundRetried) == []
        assert bench.last(RoundCompleted).received == 3

    def test_one_that_is_back_before_it_was_counted_is_not_asked_again(self) -> None:
        bench = counting()
        bench.update("ann")
        bench.lose("ann")
        bench.ready("ann")
        assert bench.orders("ann") == [1]
        bench.count()
        assert bench.last(UpdateAccepted).participant == "ann"

    def test_one_who_left_is_not_awaited_when_its_update_was_bad(self) -> None:
        bench = counting()
        bench.bad = {"dee"}
        for name in FOUR:
            bench.update(name)
        bench.leave("dee")
        bench.count()
        assert bench.last(RoundCompleted).received == 3

    def test_a_bad_one_is_said_to_be_of_its_sender_whoever_is_there_now(self) -> None:
        bench = counting()
        bench.bad = {"dee"}
        bench.update("dee")
        bench.lose("dee")
        bench.count()
        assert bench.last(UpdateRejected).participant == "dee"

    def test_bad_ones_hold_the_deadline_up_only_so_often(self) -> None:
        bench = counting()
        bench.bad = {"cid", "dee"}
        bench.update("ann")
        bench.update("bob")
        bench.update("cid")
        bench.count()
        for _ in range(10 * round(DEADLINE_S)):  # one of the two is always being counted
            bench.update("dee")
            bench.count_one()
            bench.update("cid")
            bench.after(1)
            bench.count_one()
        assert len(bench.all(RoundRetried)) > 0

    def test_a_bad_one_is_rejected_when_it_is_found_out_and_no_longer_waited_for(self) -> None:
        bench = one_short()
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

    def add(self, update: Delta) -> float:
        assert self.free.wait(60)
        return super().add(update)


def arrival(name: str) -> Arrival:
    return Arrival(
        b"", name, Update(run=RUN, round=1, seconds=0.1), 64, 0.1, Attempt(1, 1, {name}, 0, Transfers(1, 64))
    )


class TestTheCounter:
    def test_what_is_small_is_done_when_it_is_asked_for(self) -> None:
        told: list[None] = []
        counter = Counter(UpdateSum(tiny.MANIFEST), Exact(tiny.MANIFEST), SMALL, lambda: told.append(None))
        counter.add(arrival("ann"), tiny.update("ann", 1).frames())
        (done,) = counter.finished()
        assert isinstance(done, Counted)
        assert done.outcome == UpdateSum(tiny.MANIFEST).add(tiny.update("ann", 1))
        assert told == []
        assert list(counter.finished()) == []
        counter.close()

    def test_what_is_large_is_done_in_order_in_the_background(self) -> None:
        told = threading.Semaphore(0)
        total = SlowSum(tiny.MANIFEST)
        total.free.clear()
        counter = Counter(total, Exact(tiny.MANIFEST), SMALL + 1, told.release)
        bad = tiny.parameters_of(float("nan"))
        model = tiny.values(0, "model")
        counter.add(arrival("ann"), tiny.update("ann", 1).frames())
        counter.clear()
        counter.add(arrival("bob"), bad.frames())
        counter.add(arrival("cid"), tiny.update("cid", 1).frames())
        counter.step(model, 0.5)
        assert list(counter.finished()) == []
        total.free.set()
        for _ in range(6):
            assert told.acquire(timeout=60)
        ann, bob, cid, step, digested = counter.finished()
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
        assert digested == Digested(step.model.digest()) == Digested(expected.step(model, 0.5).digest())

    def test_the_model_is_there_before_its_digest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        known = threading.Event()
        digest = Parameters.digest

        def slow(self: Parameters) -> str:
            assert known.wait(60)
            return digest(self)

        monkeypatch.setattr(Parameters, "digest", slow)
        told = threading.Semaphore(0)
        counter = Counter(UpdateSum(tiny.MANIFEST), Exact(tiny.MANIFEST), SMALL + 1, told.release)
        counter.add(arrival("ann"), tiny.update("ann", 1).frames())
        counter.step(tiny.values(0, "model"), 0.5)
        for _ in range(2):
            assert told.acquire(timeout=60)
        _, step = counter.finished()
        assert isinstance(step, Stepped)
        known.set()
        assert told.acquire(timeout=60)
        assert list(counter.finished()) == [Digested(step.model.digest())]
        counter.close()

    @pytest.mark.parametrize("size", [SMALL, SMALL + 1])
    def test_what_cannot_be_done_is_a_failure_of_the_run_in_one_line(
        self, monkeypatch: pytest.MonkeyPatch, size: int
    ) -> None:
        def add(self: UpdateSum, update: Delta) -> float:
            raise MemoryError("Unable to allocate\n9 GiB")

        monkeypatch.setattr(UpdateSum, "add", add)
        told = threading.Semaphore(0)
        counter = Counter(UpdateSum(tiny.MANIFEST), Exact(tiny.MANIFEST), size, told.release)
        counter.add(arrival("ann"), tiny.update("ann", 1).frames())
        if size > SMALL:
            assert told.acquire(timeout=60)
        with pytest.raises(RunFailed, match=r"\(MemoryError: Unable to allocate 9 GiB\)") as failed:
            list(counter.finished())
        assert len(str(failed.value).splitlines()) == 1
        counter.close()

    @pytest.mark.parametrize("size", [SMALL, SMALL + 1])
    def test_a_model_that_is_not_finite_is_said_where_it_is_asked_for(self, size: int) -> None:
        told = threading.Semaphore(0)
        counter = Counter(UpdateSum(tiny.MANIFEST), Exact(tiny.MANIFEST), size, told.release)
        counter.add(arrival("ann"), tiny.parameters_of(1.0).frames())
        counter.step(tiny.parameters_of(3e38), 1e38)
        if size > SMALL:
            for _ in range(2):
                assert told.acquire(timeout=60)
        with pytest.raises(RunFailed, match=r"^the aggregated model is not finite"):
            list(counter.finished())
        counter.close()
