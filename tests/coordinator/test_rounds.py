"""Every path of a round, without a network: who is asked, what counts, when it is enough or too few."""

import pytest

from coordinator.journal import (
    ParticipantLeft,
    ParticipantLost,
    RoundCompleted,
    RoundRetried,
    RoundStarted,
    RunCompleted,
    RunWaiting,
    UpdateAccepted,
    UpdateRejected,
)
from coordinator.rounds import Phase
from protocol.messages import Accepted, Rejected, Share, Shutdown, Train
from tests.coordinator import tiny
from tests.coordinator.bench import RUN, Bench

FOUR = ("ann", "bob", "cid", "dee")
EIGHT = ("ann", "bob", "cid", "dee", "eve", "fay", "gil", "hal")
DEADLINE_S = 60.0


def begun(**federation: object) -> Bench:
    """Four participants in the first round."""
    bench = Bench(tiny.scenario(**federation))
    bench.ready(*FOUR)
    return bench


def digests(bench: Bench) -> list[str]:
    return [event.model_digest for event in bench.all(RoundCompleted)]


class TestTheFirstRound:
    def test_waits_until_all_participants_are_ready(self) -> None:
        bench = Bench(tiny.scenario())
        assert bench.last(RunWaiting) == RunWaiting(1, "participants", joined=0, needed=4)
        bench.ready("ann", "bob", "cid")
        bench.after(10 * DEADLINE_S)
        assert bench.all(RoundStarted) == []
        bench.ready("dee")
        assert bench.last(RoundStarted) == RoundStarted(1, 1, list(FOUR))
        assert all(bench.orders(name) == [1] for name in FOUR)

    def test_auditors_do_not_count_as_participants(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("ann", "bob", "cid")
        bench.ready("aud", auditor=True)
        assert bench.all(RoundStarted) == []

    def test_one_that_was_lost_before_it_does_not_count(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("zoe")
        bench.lose("zoe")
        bench.ready("ann", "bob", "cid")
        assert bench.all(RoundStarted) == []
        bench.ready("dee")
        assert bench.selected == set(FOUR)

    def test_gives_shares_by_sorted_name_whoever_came_first(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*reversed(FOUR))
        assert [bench.heard(name, Train)[0].share for name in FOUR] == [
            Share(index=index, count=4) for index in range(4)
        ]

    def test_honours_declared_shares(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("dee", share=Share(index=0, count=4))
        bench.ready("ann", "bob", "cid")
        assert bench.federation.rounds.shares == {"dee": 0, "ann": 1, "bob": 2, "cid": 3}

    def test_stores_the_shares_at_once(self) -> None:
        assert begun().written[-1].shares == {"ann": 0, "bob": 1, "cid": 2, "dee": 3}


class TestUpdates:
    def test_all_of_them_close_the_round_without_waiting(self) -> None:
        bench = begun()
        for name in FOUR:
            bench.update(name)
        assert bench.last(RoundCompleted).received == 4
        assert bench.federation.rounds.current == 2
        assert bench.orders("ann") == [1, 2]

    def test_an_accepted_one_is_acknowledged_and_recorded_with_its_norm(self) -> None:
        bench = begun()
        bench.after(2)
        bench.update("ann")
        event = bench.last(UpdateAccepted)
        assert (event.round, event.participant, event.seconds, event.waited_s) == (1, "ann", 0.5, 2.0)
        assert event.norm > 0
        assert bench.heard("ann", Accepted) == [Accepted(run=RUN, round=1)]

    def test_the_order_of_arrival_does_not_change_the_model(self) -> None:
        one, other = begun(), begun()
        for _ in range(3):
            for name in FOUR:
                one.update(name)
            for name in reversed(FOUR):
                other.update(name)
        assert digests(one) == digests(other)
        assert len(digests(one)) == 3

    def test_a_second_one_is_rejected_as_duplicate_and_counted_once(self) -> None:
        bench, undisturbed = begun(), begun()
        bench.update("ann")
        bench.update("ann")
        assert bench.heard("ann", Rejected)[0].reason == "duplicate"
        for name in FOUR[1:]:
            bench.update(name)
        for name in FOUR:
            undisturbed.update(name)
        assert digests(bench) == digests(undisturbed)

    @pytest.mark.parametrize(("number", "reason"), [(2, "late"), (1, "stale"), (4, "future"), (0, "stale")])
    def test_one_for_another_round_is_rejected_by_name(self, number: int, reason: str) -> None:
        bench = begun(rounds=5)
        for _ in range(2):
            for name in FOUR:
                bench.update(name)
        bench.update("bob", number)
        assert bench.last(UpdateRejected).reason == reason
        assert bench.heard("bob", Rejected)[0].reason == reason
        assert bench.heard("bob", Rejected)[0].round == number
        assert bench.federation.rounds.current == 3

    def test_one_of_another_run_is_rejected_as_foreign(self) -> None:
        bench = begun()
        bench.update("ann", run="f" * 16)
        assert bench.heard("ann", Rejected)[0].reason == "foreign"
        assert bench.all(UpdateAccepted) == []

    def test_one_that_was_not_asked_for_is_rejected(self) -> None:
        bench = Bench(tiny.scenario(participants=5))
        bench.ready(*FOUR, "eve")
        (left_out,) = {*FOUR, "eve"} - bench.selected
        bench.update(left_out)
        assert bench.heard(left_out, Rejected)[0].reason == "not_selected"

    def test_those_that_were_turned_away_are_counted_by_reason_with_the_round(self) -> None:
        bench = begun()
        bench.update("ann", 3)
        bench.update("ann", 3)
        for name in ("ann", "ann", "bob", "cid", "dee"):
            bench.update(name)
        event = bench.last(RoundCompleted)
        assert (event.rejected, event.rejections) == (3, {"duplicate": 1, "future": 2})
        assert len(bench.all(UpdateRejected)) == 2, "the same is said once a round"


class TestTheDeadline:
    def test_closes_the_round_with_enough_updates(self) -> None:
        bench = begun()
        for name in FOUR[:3]:
            bench.update(name)
        assert bench.all(RoundCompleted) == []
        bench.after(DEADLINE_S)
        assert bench.last(RoundCompleted).received == 3

    def test_retries_with_too_few_and_starts_the_sum_anew(self) -> None:
        bench = begun()
        bench.update("ann")
        bench.after(DEADLINE_S)
        assert bench.last(RoundRetried) == RoundRetried(1, 2, 1, 3, ["bob", "cid", "dee"])
        assert bench.last(RoundStarted) == RoundStarted(1, 2, list(FOUR))
        assert bench.orders("ann") == [1, 1]
        undisturbed = begun()
        for name in FOUR:
            bench.update(name)
            undisturbed.update(name)
        assert digests(bench) == digests(undisturbed)

    def test_an_update_that_an_earlier_attempt_asked_for_counts(self) -> None:
        bench = begun()
        bench.after(DEADLINE_S)
        bench.update("ann")
        assert bench.last(UpdateAccepted).participant == "ann"

    def test_a_new_selection_is_drawn_from_those_who_are_there(self) -> None:
        bench = Bench(tiny.scenario(participants=8, selected=4))
        bench.ready(*EIGHT)
        gone = sorted(bench.selected)[:2]
        bench.lose(*gone)
        bench.after(DEADLINE_S)
        assert bench.selected.isdisjoint(gone)
        assert len(bench.selected) == 4

    def test_the_lost_are_not_counted_on_until_they_come_back(self) -> None:
        bench = begun(rounds=4)
        bench.lose("dee")
        for name in FOUR[:3]:
            bench.update(name)
        bench.after(DEADLINE_S)
        assert bench.selected == {"ann", "bob", "cid"}
        bench.ready("dee")
        for name in FOUR[:3]:
            bench.update(name)
        assert bench.selected == set(FOUR)


class TestWaiting:
    def test_says_so_when_too_few_are_left_and_goes_on_when_one_comes_back(self) -> None:
        bench = begun(min_updates=4)
        bench.update("ann")
        bench.lose("dee")
        bench.after(DEADLINE_S)
        assert bench.last(RunWaiting) == RunWaiting(1, "participants", joined=3, needed=4)
        bench.update("bob")
        bench.update("cid")
        assert bench.all(RoundCompleted) == []
        bench.ready("dee")
        assert bench.orders("dee") == [1, 1]
        bench.update("dee")
        assert bench.last(RoundCompleted).received == 4
        assert bench.all(RoundRetried) == []

    def test_somebody_new_makes_it_try_again(self) -> None:
        bench = begun(min_updates=4)
        bench.lose("dee")
        bench.after(DEADLINE_S)
        bench.ready("eve")
        assert bench.selected == {"ann", "bob", "cid", "eve"}
        assert bench.last(RoundRetried).attempt == 2

    def test_comes_after_so_many_attempts_and_tries_again_after_another_deadline(self) -> None:
        bench = begun(attempts=2)
        bench.after(2 * DEADLINE_S)
        assert bench.last(RunWaiting) == RunWaiting(1, "attempts", joined=4, needed=3)
        bench.after(DEADLINE_S)
        assert bench.last(RoundStarted).attempt == 3

    def test_an_update_that_still_comes_is_enough_to_go_on(self) -> None:
        bench = begun(attempts=1)
        bench.update("ann")
        bench.update("bob")
        bench.after(DEADLINE_S + 1)
        assert bench.federation.rounds.phase is Phase.WAITING
        bench.update("cid")
        assert bench.last(RoundCompleted).received == 3

    def test_ends_with_enough_updates_though_those_who_gave_them_were_never_there_together(self) -> None:
        first = begun(min_updates=2)
        resumed = Bench(tiny.scenario(min_updates=2), first.written[-1], split=tiny.SPLIT)
        resumed.ready("ann")
        resumed.update("ann")
        resumed.lose("ann")
        resumed.ready("bob")
        resumed.update("bob")
        assert resumed.all(RoundCompleted) == [], "the others are expected back until the deadline"
        resumed.after(DEADLINE_S)
        assert resumed.last(RoundCompleted).received == 2

    def test_is_said_once(self) -> None:
        bench = begun(min_updates=4)
        bench.lose("dee")
        bench.after(20 * DEADLINE_S)
        assert [event.round for event in bench.all(RunWaiting)] == [1, 1]  # gathering, and this


class TestComingAndGoing:
    def test_one_that_comes_back_within_the_round_is_asked_again(self) -> None:
        bench, undisturbed = begun(), begun()
        bench.lose("cid")
        for name in ("ann", "bob", "dee"):
            bench.update(name)
        bench.after(5)
        bench.ready("cid")
        assert bench.orders("cid") == [1, 1]
        bench.update("cid")
        for name in FOUR:
            undisturbed.update(name)
        assert digests(bench) == digests(undisturbed)

    def test_one_that_comes_back_after_its_update_is_not_asked_again(self) -> None:
        bench = begun()
        bench.update("cid")
        bench.lose("cid")
        bench.ready("cid")
        assert bench.orders("cid") == [1]

    def test_silence_longer_than_the_limit_is_a_loss(self) -> None:
        bench = begun(liveness_s=10.0)
        for _ in range(11):
            bench.now += 1
            bench.beat("ann", "bob", "cid")
            bench.perform(bench.federation.tick(bench.now))
        assert bench.all(ParticipantLost) == [ParticipantLost(1, "dee", "silent")]

    def test_silence_is_noticed_at_the_slowest_pace_of_the_loop(self) -> None:
        bench = begun(liveness_s=10.0, heartbeat_s=5.0)
        for _ in range(5):
            bench.now = bench.federation.wake_at(bench.now)
            bench.beat("ann", "bob", "cid")
            bench.perform(bench.federation.tick(bench.now))
        assert bench.all(ParticipantLost) == [ParticipantLost(1, "dee", "silent")]

    def test_a_coordinator_that_was_suspended_does_not_blame_the_participants(self) -> None:
        bench = begun(liveness_s=10.0)
        bench.now += 3600
        bench.perform(bench.federation.tick(bench.now))
        assert bench.all(ParticipantLost) == []

    def test_one_that_leaves_is_not_waited_for(self) -> None:
        bench = begun()
        for name in FOUR[:3]:
            bench.update(name)
        bench.leave("dee")
        assert bench.last(ParticipantLeft).participant == "dee"
        assert bench.last(RoundCompleted).received == 3
        assert bench.selected == {"ann", "bob", "cid"}

    def test_the_update_of_one_that_leaves_afterwards_counts(self) -> None:
        bench = begun()
        bench.update("dee")
        bench.leave("dee")
        for name in FOUR[:3]:
            bench.update(name)
        assert bench.last(RoundCompleted).received == 4

    def test_when_too_many_leave_the_round_is_retried_at_once_or_waits(self) -> None:
        bench = Bench(tiny.scenario(participants=5, selected=3))
        bench.ready(*FOUR, "eve")
        bench.leave(sorted(bench.selected)[0])
        assert bench.last(RoundStarted).attempt == 2
        bench.leave(sorted(bench.selected)[0])
        assert bench.last(RoundStarted).attempt == 3
        bench.leave(sorted(bench.selected)[0])
        assert bench.last(RunWaiting).joined == 2
        bench.ready("new")
        assert len(bench.selected) == 3

    def test_a_late_comer_gets_a_share_and_can_be_selected(self) -> None:
        bench = begun(rounds=30)
        bench.ready("zoe")
        assert bench.federation.rounds.shares["zoe"] == 0
        for _ in range(20):
            for name in bench.selected:
                bench.update(name)
        assert bench.orders("zoe") != []

    def test_one_that_leaves_and_comes_back_keeps_its_share(self) -> None:
        bench = begun()
        bench.leave("dee")
        bench.ready("eve")
        bench.ready("dee")
        assert bench.federation.rounds.shares["dee"] == 3

    def test_a_peer_that_cannot_be_sent_to_is_lost(self) -> None:
        bench = begun()
        bench.unreachable.add(bench.peer("ann"))
        bench.beat("ann")
        assert bench.last(ParticipantLost) == ParticipantLost(1, "ann", "unreachable")


class TestWhatAParticipantIsTold:
    def test_which_of_its_rounds_was_counted_last(self) -> None:
        bench = begun(rounds=5)
        for name in FOUR[:3]:
            bench.update(name)
        bench.after(DEADLINE_S)
        assert bench.heard("ann", Train)[-1].previous == 1
        assert bench.heard("dee", Train)[-1].previous == 0

    def test_what_the_older_of_two_durable_checkpoints_may_ask_for(self) -> None:
        bench = begun(rounds=9, checkpoint_every=2)
        for _ in range(7):
            for name in FOUR:
                bench.update(name)
        order = bench.heard("ann", Train)[-1]
        assert (order.round, order.previous, order.keep_from) == (8, 7, 4)

    def test_a_checkpoint_that_is_not_durable_yet_keeps_everything(self) -> None:
        bench = begun(rounds=9, checkpoint_every=2)
        bench.slow_disk = True
        for _ in range(6):
            for name in FOUR:
                bench.update(name)
        assert bench.heard("ann", Train)[-1].keep_from == 0


class TestGoingOnFromACheckpoint:
    def test_gives_the_same_models_as_an_undisturbed_run(self) -> None:
        undisturbed = Bench(tiny.scenario(rounds=6, participants=8, selected=4, min_updates=4))
        undisturbed.ready(*EIGHT)
        self.finish(undisturbed)
        first = Bench(tiny.scenario(rounds=6, participants=8, selected=4, min_updates=4))
        first.ready(*EIGHT)
        for _ in range(2):
            for name in first.selected:
                first.update(name)
        resumed = Bench(
            tiny.scenario(rounds=6, participants=8, selected=4, min_updates=4),
            first.written[-1],
            split=tiny.SPLIT,
        )
        resumed.model = first.model
        resumed.ready(*reversed(EIGHT))
        self.finish(resumed)
        assert digests(resumed) == digests(undisturbed)[2:]
        assert resumed.last(RunCompleted).model_digest == undisturbed.last(RunCompleted).model_digest

    def test_its_deadline_begins_when_enough_are_there(self) -> None:
        first = begun(rounds=4)
        resumed = Bench(tiny.scenario(rounds=4), first.written[-1], split=tiny.SPLIT)
        assert resumed.last(RunWaiting) == RunWaiting(1, "participants", joined=0, needed=3)
        resumed.after(50 * DEADLINE_S)
        resumed.ready("dee", "cid")
        resumed.after(50 * DEADLINE_S)
        resumed.ready("bob")
        for name in ("bob", "cid", "dee"):
            resumed.update(name)
        assert resumed.all(RoundCompleted) == [], "ann is expected back until the deadline"
        resumed.ready("ann")
        resumed.update("ann")
        assert resumed.last(RoundCompleted).received == 4

    @staticmethod
    def finish(bench: Bench) -> None:
        while bench.selected:
            for name in bench.selected:
                bench.update(name)


class TestTheEnd:
    def test_the_last_round_is_stored_then_everybody_hears_of_it(self) -> None:
        bench = begun(rounds=2)
        for _ in range(2):
            for name in FOUR:
                bench.update(name)
        assert bench.written[-1].completed
        assert bench.last(RunCompleted).rounds == 2
        assert bench.finished
        assert [message.failed for message in bench.heard("ann", Shutdown)] == [False]

    def test_it_does_not_come_before_the_checkpoint_is_durable(self) -> None:
        bench = begun(rounds=1)
        bench.slow_disk = True
        for name in FOUR:
            bench.update(name)
        assert not bench.finished
        for state in bench.written:
            bench.perform(bench.federation.checkpoint_written(state, "file", 0.1, bench.now))
        assert bench.finished
        assert len(bench.all(RunCompleted)) == 1
