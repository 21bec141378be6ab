"""Joining, and whatever is not as it should be: answered with a reason, and nothing changes."""

import pytest

from coordinator.entry import JOINS, JOINS_PER_S
from coordinator.federation import MOST_OF_A_REASON
from coordinator.journal import (
    MessageRefused,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantLost,
    ParticipantReady,
    ParticipantRefused,
    RoundCompleted,
    RunCompleted,
    UpdateRejected,
)
from coordinator.refusals import ANSWERS
from protocol.messages import (
    EvaluationReport,
    Heartbeat,
    Leave,
    Message,
    Ready,
    Refuse,
    Rejected,
    Share,
    Shutdown,
    Update,
    Welcome,
)
from protocol.scenario import Evaluation, parse_scenario
from tests.coordinator import tiny
from tests.coordinator.bench import RUN, Bench

FOUR = ("ann", "bob", "cid", "dee")


class TestJoining:
    def test_a_welcome_holds_the_scenario_and_the_manifest(self) -> None:
        scenario = tiny.scenario(seed=7)
        bench = Bench(scenario)
        bench.join("ann")
        (welcome,) = bench.heard("ann", Welcome)
        assert welcome.manifest == tiny.MANIFEST
        assert parse_scenario(welcome.scenario) == scenario
        assert bench.last(ParticipantJoined) == ParticipantJoined("ann", False, "test")

    def test_a_repeated_join_is_answered_again_and_recorded_once(self) -> None:
        bench = Bench(tiny.scenario())
        bench.join("ann")
        bench.join("ann")
        assert len(bench.heard("ann", Welcome)) == 2
        assert len(bench.all(ParticipantJoined)) == 1

    def test_a_name_that_a_living_participant_has_is_refused(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("ann")
        bench._connections["ann"] = 1  # another process of the same name
        bench.join("ann")
        assert bench.heard("ann", Refuse)[0].reason == "name_taken"
        assert bench.last(ParticipantRefused).reason == "name_taken"
        assert bench.all(ParticipantLost) == []

    def test_a_name_whose_holder_cannot_be_reached_is_taken_over(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("ann")
        bench.unreachable.add(bench.peer("ann"))
        bench._connections["ann"] = 1
        bench.ready("ann")
        assert bench.last(ParticipantLost).reason == "replaced"
        bench.ready("bob", "cid", "dee")
        assert bench.selected == set(FOUR)

    def test_one_connection_has_one_name(self) -> None:
        bench = Bench(tiny.scenario())
        bench.join("ann")
        peer = bench.peer("ann")
        bench.peer = lambda name: peer  # type: ignore[method-assign]
        bench.join("bob")
        assert bench.heard("ann", Rejected)[0].reason == "unexpected"

    @pytest.mark.parametrize("share", [Share(index=0, count=3), Share(index=4, count=4)])
    def test_a_share_that_does_not_fit_is_refused(self, share: Share) -> None:
        bench = Bench(tiny.scenario())
        bench.join("ann", share=share)
        (refuse,) = bench.heard("ann", Refuse)
        assert refuse.reason == "bad_share"
        assert "this federation has 4 shares" in refuse.detail

    def test_a_share_that_somebody_else_came_with_is_refused_while_they_are_there(self) -> None:
        bench = Bench(tiny.scenario())
        share = Share(index=1, count=4)
        bench.join("ann", share=share)
        bench.join("bob", share=share)
        (refuse,) = bench.heard("bob", Refuse)
        assert (refuse.reason, refuse.detail) == ("bad_share", "share 2/4 is that of ann; choose another")
        bench.lose("ann")
        bench.join("bob", share=share)
        assert len(bench.heard("bob", Welcome)) == 1

    def test_a_share_other_than_the_one_it_has_in_this_run_is_refused(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*FOUR)
        bench.lose("dee")
        bench.join("dee", share=Share(index=0, count=4))
        assert "dee has share 4/4 in this run" in bench.heard("dee", Refuse)[0].detail

    def test_an_auditor_cannot_have_the_name_of_one_that_trains(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*FOUR)
        bench.lose("dee")
        bench.join("dee", auditor=True)
        assert bench.heard("dee", Refuse)[0].reason == "name_taken"

    def test_a_model_with_other_parameters_is_refused(self) -> None:
        bench = Bench(tiny.scenario())
        bench.join("ann")
        bench.say("ann", Ready(run=RUN, manifest_digest="0" * 64, split=tiny.SPLIT))
        assert bench.heard("ann", Refuse)[0].reason == "other_manifest"
        assert bench.federation.membership.named("ann") is None
        assert bench.splits == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"train": ()},
            {"test": ("d",)},
            {"backdoor": ()},
            {"target": ("a",)},  # which is for training
            {"train": ("b", "b")},
        ],
    )
    def test_a_first_split_that_the_scenario_cannot_have_is_refused(
        self, wrong: dict[str, tuple[str, ...]]
    ) -> None:
        bench = Bench(tiny.scenario())
        bench.join("ann")
        split = tiny.SPLIT.model_copy(update=wrong)
        bench.say("ann", Ready(run=RUN, manifest_digest=tiny.MANIFEST.digest, split=split))
        assert bench.heard("ann", Refuse)[-1].reason == "other_split"
        assert bench.splits == []
        bench.ready("bob")
        assert bench.splits == [tiny.SPLIT]

    def test_the_first_split_is_the_federations_and_another_is_refused(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("ann")
        assert bench.splits == [tiny.SPLIT]
        bench.join("bob")
        other = tiny.SPLIT.model_copy(update={"train": ("a", "x", "y")})
        bench.say("bob", Ready(run=RUN, manifest_digest=tiny.MANIFEST.digest, split=other))
        (refuse,) = bench.heard("bob", Refuse)
        assert refuse.reason == "other_split"
        assert "3 train" in refuse.detail
        assert "2 train" in refuse.detail
        assert "(train: x here, b there)" in refuse.detail
        assert bench.splits == [tiny.SPLIT]


class TestStrangers:
    @pytest.mark.parametrize(
        "message",
        [
            Heartbeat(run=RUN),
            Leave(run=RUN, reason=""),
            Ready(run=RUN, manifest_digest=tiny.MANIFEST.digest, split=tiny.SPLIT),
            EvaluationReport(run=RUN, round=1, seconds=1.0, measurements=()),
            Shutdown(run=RUN, failed=True, reason=""),
        ],
    )
    def test_are_told_to_join_first(self, message: Message) -> None:
        bench = Bench(tiny.scenario())
        bench.say("eve", message)
        assert bench.heard("eve", Refuse)[0].reason == "not_joined"

    def test_cannot_update(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*FOUR)
        bench.update("eve")
        assert bench.heard("eve", Refuse)[0].reason == "not_joined"
        assert not bench.federation.rounds.attempt.received  # type: ignore[union-attr]

    def test_get_no_more_answers_than_a_burst_and_a_trickle(self) -> None:
        bench = Bench(tiny.scenario())
        for _ in range(10 * ANSWERS):
            bench.beat("eve")
        assert len(bench.heard("eve", Refuse)) == ANSWERS
        assert len(bench.all(MessageRefused)) == 1
        bench.now += 1
        for _ in range(100):
            bench.beat("eve")
        assert len(bench.heard("eve", Refuse)) == ANSWERS + 5

    def test_one_that_was_taken_for_lost_joins_again_and_goes_on(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*FOUR)
        bench.perform(bench.federation.unreachable(bench.peer("dee"), bench.now))
        bench.beat("dee")
        assert bench.heard("dee", Refuse)[0].reason == "not_joined"
        bench.ready("dee")
        assert bench.orders("dee") == [1, 1]


class TestMembers:
    def test_a_heartbeat_is_answered_by_one(self) -> None:
        bench = Bench(tiny.scenario())
        bench.join("ann")
        bench.beat("ann")
        assert bench.heard("ann", Heartbeat) == [Heartbeat(run=RUN)]

    def test_readiness_said_over_and_over_does_not_draw_a_model_each_time(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*FOUR)
        ready = Ready(run=RUN, manifest_digest=tiny.MANIFEST.digest, split=tiny.SPLIT)
        for _ in range(10 * ANSWERS):
            bench.say("ann", ready)
        assert len(bench.orders("ann")) == 1 + ANSWERS
        assert len(bench.all(ParticipantReady)) == 4 + ANSWERS

    def test_one_that_joins_and_leaves_over_and_over_does_not_fill_the_journal(self) -> None:
        bench = Bench(tiny.scenario())
        for _ in range(10 * round(JOINS)):
            bench.ready("ann")
            bench.say("ann", Leave(run=RUN, reason="because " * 100))
        for kind in (ParticipantJoined, ParticipantReady, ParticipantLeft):
            assert len(bench.all(kind)) == JOINS
        assert len(bench.last(ParticipantLeft).reason) == MOST_OF_A_REASON
        assert [event.reason for event in bench.all(MessageRefused)] == ["too_often", "not_joined"]
        bench.now += 1 / JOINS_PER_S
        bench.ready("ann")
        assert bench.federation.membership.named("ann") is not None
        bench.ready("bob", "cid", "dee")
        bench.play()
        assert bench.last(RoundCompleted).rejections["too_often"] == 9 * JOINS

    def test_the_reason_of_a_failure_is_told_however_long_it_is(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("ann")
        bench.perform(bench.federation.shut_down(failed=True, reason="/long" * 1000))
        assert bench.heard("ann", Shutdown)[0].reason.startswith("/long/long")

    def test_a_message_of_another_run_is_foreign(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("ann")
        bench.say("ann", Leave(run="f" * 16, reason=""))
        assert bench.heard("ann", Rejected)[0].reason == "foreign"
        assert bench.federation.membership.named("ann") is not None

    def test_a_message_that_only_a_coordinator_sends_is_unexpected(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("ann")
        bench.say("ann", Shutdown(run=RUN, failed=False, reason=""))
        assert bench.heard("ann", Rejected)[0].reason == "unexpected"

    def test_undecodable_frames_are_answered_by_their_kind(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*FOUR)
        peer = bench.peer("ann")
        bench.perform(bench.federation.undecodable(peer, "malformed", "no header", None, bench.now))
        bench.perform(bench.federation.undecodable(peer, "other_version", "version 9", None, bench.now))
        assert bench.heard("ann", Rejected)[0].reason == "malformed"
        assert bench.heard("ann", Refuse)[0].reason == "other_version"
        assert bench.selected == set(FOUR)

    @pytest.mark.parametrize(("number", "reason"), [(1, "wrong_size"), (2, "future")])
    def test_an_update_of_another_size_is_rejected_by_name(self, number: int, reason: str) -> None:
        bench = Bench(tiny.scenario())
        bench.ready(*FOUR)
        header = Update(run=RUN, round=number, seconds=1.0)
        bench.perform(
            bench.federation.undecodable(bench.peer("ann"), "wrong_size", "3 bytes", header, bench.now)
        )
        (rejected,) = bench.heard("ann", Rejected)
        assert (rejected.reason, rejected.round) == (reason, number)
        assert bench.last(UpdateRejected).participant == "ann"


class TestPace:
    """However fast rounds follow each other: what the participants are asked for is never too much."""

    @pytest.mark.parametrize("update_size", [64, 2**26])
    @pytest.mark.parametrize("keys", [False, True])
    def test_as_many_rounds_as_fit_into_an_instant(self, update_size: int, keys: bool) -> None:
        scenario = tiny.scenario(rounds=2000, heartbeat_s=1.0, liveness_s=10.0)
        bench = Bench(scenario, update_size=update_size, allowed=FOUR if keys else None)
        bench.ready(*FOUR)
        while not bench.finished:
            for name in sorted(bench.selected):
                if update_size > 64:
                    assert not bench.turned_away(name)
                    bench.offer(name)
                assert not bench.turned_away(name)
                bench.update(name)
        assert bench.last(RunCompleted).rounds == 2000

    def test_what_is_rejected_is_not_asked_for(self) -> None:
        bench = Bench(tiny.scenario(heartbeat_s=1.0, liveness_s=10.0))
        bench.ready(*FOUR)
        sent = 0
        while not bench.turned_away("ann"):
            bench.update("ann", 7)
            sent += 1
        assert sent == 60 * 24
        assert bench.last(ParticipantLost).reason == "too_fast"

    def test_nor_is_one_whose_values_are_bad(self) -> None:
        bench = Bench(tiny.scenario(heartbeat_s=1.0, liveness_s=10.0))
        bench.ready(*FOUR)
        bench.bad = {"ann"}
        sent = 0
        while not bench.turned_away("ann"):
            bench.update("ann")
            sent += 1
        assert sent == 60 * 24

    def test_an_offer_counts_for_nothing_where_none_was_made(self) -> None:
        bench = Bench(tiny.scenario(rounds=2000, heartbeat_s=1.0, liveness_s=10.0), update_size=2**26)
        bench.ready(*FOUR)
        others = 0
        while not bench.turned_away("ann") and not bench.turned_away("ann"):  # something, and the update
            bench.play()
            others += 1
        assert others == 60 * 24 - 1

    def test_measurements_of_every_round_in_an_instant(self) -> None:
        every = Evaluation(every=1)
        scenario = tiny.scenario(rounds=2000, heartbeat_s=1.0, liveness_s=10.0)
        bench = Bench(scenario.model_copy(update={"evaluation": every}))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        for number in range(2001):
            assert not bench.turned_away("aud")
            bench.measured("aud", number)
            bench.play()
        assert bench.finished
