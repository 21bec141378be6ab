"""As many updates come at a time as there is memory for, and nobody waits for one whose link is slow."""

import pytest

from coordinator.journal import RoundCompleted, UpdateRejected
from coordinator.rounds import Phase
from coordinator.transfers import AT_LEAST, IN_FLIGHT, SLOW_RATE, SLOW_S, Transfers, at_once
from protocol.messages import Fetch, Rejected, Train
from tests.coordinator import tiny
from tests.coordinator.bench import RUN, Bench
from tests.coordinator.test_rounds import DEADLINE_S, FOUR

LARGE = IN_FLIGHT  # two at once
SLOW_AFTER_S = SLOW_S + LARGE / SLOW_RATE


def begun() -> Bench:
    """Four participants in the first round, whose updates are large."""
    bench = Bench(tiny.scenario(), update_size=LARGE)
    bench.ready(*FOUR)
    return bench


def fetched(bench: Bench) -> list[str]:
    """Who was told to send, by name."""
    return [name for name in FOUR if bench.heard(name, Fetch)]


class TestHowMany:
    def test_as_many_as_there_is_memory_for_and_at_least_two(self) -> None:
        assert at_once(1000) == IN_FLIGHT // 1000
        assert at_once(IN_FLIGHT) == at_once(100 * IN_FLIGHT) == AT_LEAST == 2
        assert at_once(0) == IN_FLIGHT, "of a federation that shares nothing"

    def test_they_come_in_turn_only_where_there_are_more(self) -> None:
        assert not Transfers(2, LARGE).in_turn
        assert Transfers(3, LARGE).in_turn
        assert not Transfers(64, IN_FLIGHT // 64).in_turn
        assert Transfers(65, IN_FLIGHT // 64).in_turn

    def test_participants_are_told_in_the_order(self) -> None:
        for size, in_turn in ((64, False), (LARGE, True)):
            bench = Bench(tiny.scenario(), update_size=size)
            bench.ready(*FOUR)
            assert [order.offer for order in bench.heard("ann", Train)] == [in_turn]


class TestWhoIsNext:
    def test_so_many_at_once_in_the_order_of_their_offers(self) -> None:
        transfers = Transfers(4, LARGE)
        for name in ("cid", "ann", "bob"):
            transfers.offer(name, name.encode())
        assert transfers.next(0.0) == [b"cid", b"ann"]
        assert transfers.next(0.1) == []
        transfers.over("ann")
        assert transfers.next(0.1) == [b"bob"]
        assert transfers.next(0.1) == []

    def test_a_slow_one_holds_up_nobody(self) -> None:
        transfers = Transfers(4, LARGE)
        for name in ("ann", "bob", "cid", "dee", "eve"):
            transfers.offer(name, name.encode())
        transfers.next(0.0)
        assert transfers.wake_at() == SLOW_AFTER_S
        assert transfers.next(SLOW_AFTER_S) == [b"cid", b"dee"]
        assert transfers.wake_at() == 2 * SLOW_AFTER_S, "and not at once, for what is slow already"
        transfers.over("ann")  # which no longer counted
        assert transfers.next(SLOW_AFTER_S) == []

    def test_an_offer_on_another_connection_takes_the_place_of_the_first(self) -> None:
        transfers = Transfers(4, LARGE)
        transfers.offer("ann", b"one")
        assert transfers.next(0.0) == [b"one"]
        transfers.offer("ann", b"other")
        transfers.offer("ann", b"other")
        assert transfers.next(0.0) == [b"other"]

    def test_nothing_is_to_be_done_where_nobody_waits(self) -> None:
        transfers = Transfers(4, LARGE)
        assert transfers.wake_at() is None
        transfers.offer("ann", b"ann")
        transfers.next(0.0)
        assert transfers.wake_at() is None


class TestInARound:
    def test_an_update_that_was_counted_makes_room_for_the_next(self) -> None:
        bench = begun()
        for name in FOUR:
            bench.offer(name)
        assert fetched(bench) == ["ann", "bob"]
        assert bench.heard("ann", Fetch) == [Fetch(run=RUN, round=1)]
        bench.slow_counting = True
        bench.update("ann")
        assert fetched(bench) == ["ann", "bob"], "it is still in memory"
        bench.count()
        assert fetched(bench) == ["ann", "bob", "cid"]
        bench.bad = {"bob"}
        bench.update("bob")
        bench.count()
        assert fetched(bench) == list(FOUR)
        bench.bad = set()
        for name in FOUR[1:]:
            bench.update(name)
        bench.count()
        assert bench.last(RoundCompleted).received == 4

    @pytest.mark.parametrize("how", ["lost", "left"])
    def test_one_who_is_gone_makes_room(self, how: str) -> None:
        bench = begun()
        for name in FOUR:
            bench.offer(name)
        if how == "lost":
            bench.lose("ann")
        else:
            bench.leave("ann")
        bench.perform(bench.federation.tick(bench.now))
        assert fetched(bench) == ["ann", "bob", "cid"]

    def test_time_makes_room_where_links_are_slow(self) -> None:
        bench = begun()
        for name in FOUR:
            bench.offer(name)
        assert bench.federation.rounds.wake_at() == bench.now + SLOW_AFTER_S
        bench.after(SLOW_AFTER_S)
        assert fetched(bench) == list(FOUR)

    def test_one_that_comes_back_is_asked_and_fetched_again(self) -> None:
        bench = begun()
        for name in FOUR:
            bench.offer(name)
        bench.lose("ann")
        bench.ready("ann")
        assert len(bench.heard("ann", Train)) == 2
        bench.offer("ann")
        bench.update("bob")
        bench.update("cid")
        assert len(bench.heard("ann", Fetch)) == 2

    def test_what_nobody_wants_is_not_fetched(self) -> None:
        bench = begun()
        bench.offer("ann", 3)
        bench.update("bob")
        bench.offer("bob")
        assert [each.reason for each in bench.all(UpdateRejected)] == ["future", "duplicate"]
        assert bench.heard("ann", Rejected)[0].round == 3
        assert fetched(bench) == []

    def test_what_was_offered_and_has_not_come_by_the_deadline_is_left_out(self) -> None:
        bench = begun()
        for name in FOUR:
            bench.offer(name)
        for name in FOUR[:3]:
            bench.update(name)
        bench.after(DEADLINE_S)
        assert bench.last(RoundCompleted).received == 3
        bench.update("dee", 1)
        assert bench.last(UpdateRejected).reason == "late"

    def test_while_the_round_is_closed_nobody_s_turn_wakes_anybody(self) -> None:
        bench = Bench(tiny.scenario(min_updates=1), update_size=LARGE)
        bench.ready(*FOUR)
        bench.after(DEADLINE_S - 1)
        for name in FOUR:
            bench.offer(name)
        bench.update("ann")
        bench.slow_counting = True
        bench.after(1)
        assert bench.federation.rounds.phase is Phase.CLOSING
        assert fetched(bench) == ["ann", "bob", "cid"], "and dee still waits"
        assert bench.federation.rounds.wake_at() is None

    def test_an_update_that_comes_without_having_been_fetched_counts(self) -> None:
        bench = begun()
        bench.offer("ann")
        for name in FOUR:
            bench.update(name)
        assert bench.last(RoundCompleted).received == 4
