"""Evaluation by participants: all who train measure between two rounds, and no model depends on it."""

import pytest

from coordinator.journal import (
    Evaluated,
    EvaluationSkipped,
    RoundCompleted,
    RoundStarted,
    RunCompleted,
    RunWaiting,
)
from coordinator.state import FederationState, Unmeasured
from protocol.messages import Accepted, Evaluate, Rejected, Share
from protocol.scenario import Evaluation, Scenario
from tests.coordinator import tiny
from tests.coordinator.bench import RUN, Bench

FOUR = ("ann", "bob", "cid", "dee")


def surveyed(*rounds: int, deadline_s: float = 900.0, **federation: object) -> Scenario:
    """Four rounds; measured by the participants after these, and after the last."""
    evaluation = Evaluation(by="participants", rounds=rounds, deadline_s=deadline_s)
    return tiny.scenario(rounds=4, **federation).model_copy(update={"evaluation": evaluation})


def gathered(scenario: Scenario) -> Bench:
    bench = Bench(scenario)
    bench.ready(*FOUR)
    return bench


def play(bench: Bench, rounds: int = 1) -> None:
    for _ in range(rounds):
        for name in sorted(bench.selected):
            bench.update(name)


def measure(bench: Bench, number: int, *names: str) -> None:
    for name in names or FOUR:
        bench.measured(name, number)


def asked(bench: Bench, name: str) -> list[int]:
    return [order.round for order in bench.heard(name, Evaluate)]


def started(bench: Bench) -> list[int]:
    return [event.round for event in bench.all(RoundStarted)]


def resumed(bench: Bench) -> Bench:
    """Another coordinator that goes on from the newest checkpoint."""
    return Bench(bench.scenario, bench.written[-1], split=tiny.SPLIT)


def test_the_next_round_begins_when_all_have_measured() -> None:
    bench = gathered(surveyed(1))
    play(bench)
    assert [asked(bench, name) for name in FOUR] == [[1]] * 4
    measure(bench, 1, "ann", "bob", "cid")
    assert started(bench) == [1]
    measure(bench, 1, "dee")
    assert started(bench) == [1, 2]
    assert bench.heard("dee", Accepted)[-1].round == 1


def test_the_initial_model_is_measured_once_all_have_gathered() -> None:
    bench = Bench(surveyed(0))
    bench.ready("ann", "bob", "cid")
    bench.after(5)
    assert asked(bench, "ann") == []
    bench.ready("dee")
    assert [asked(bench, name) for name in FOUR] == [[0]] * 4
    assert started(bench) == []
    measure(bench, 0)
    assert started(bench) == [1]


def test_each_is_told_its_share_and_which_of_its_private_states_to_measure_with() -> None:
    bench = gathered(surveyed(0, 2, selected=3))
    measure(bench, 0)
    play(bench, 2)
    previous = bench.federation.rounds.previous
    for at, name in enumerate(FOUR):
        first, second = bench.heard(name, Evaluate)
        assert first.share == second.share == Share(index=at, count=4)
        assert (first.previous, second.previous) == (0, previous.get(name, 0))
    assert set(previous) == {"ann", "bob", "cid"}  # dee has not trained yet


def test_the_end_of_the_run_waits_as_well() -> None:
    bench = gathered(surveyed())
    play(bench, 4)
    bench.after(300)
    assert not bench.finished
    measure(bench, 4)
    assert bench.finished


def test_what_was_measured_is_a_line_of_the_journal_with_whoever_measured_it() -> None:
    bench = gathered(surveyed(0))
    for name in FOUR:
        bench.measured(name, 0, measurements=(tiny.MEASUREMENT,))
    assert [event.auditor for event in bench.all(Evaluated)] == list(FOUR)


def test_one_that_was_killed_is_waited_for_and_asked_again() -> None:
    bench = gathered(surveyed(1))
    play(bench)
    measure(bench, 1, "ann", "bob", "cid")
    bench.lose("dee")
    bench.after(60)
    assert started(bench) == [1]
    assert bench.last(RunWaiting) == RunWaiting(1, "evaluation", 3, 4)
    bench.ready("dee")
    assert asked(bench, "dee") == [1, 1]
    measure(bench, 1, "dee")
    assert started(bench) == [1, 2]


def test_one_that_was_killed_after_it_had_measured_is_not_asked_again() -> None:
    bench = gathered(surveyed(1))
    play(bench)
    measure(bench, 1, "dee")
    bench.lose("dee")
    bench.ready("dee")
    assert asked(bench, "dee") == [1]
    measure(bench, 1, "ann", "bob", "cid")
    assert started(bench) == [1, 2]


def test_one_that_leaves_is_not_waited_for() -> None:
    bench = gathered(surveyed(1))
    play(bench)
    measure(bench, 1, "ann", "bob", "cid")
    bench.leave("dee")
    assert started(bench) == [1, 2]
    assert bench.all(EvaluationSkipped) == []


def test_one_that_joins_meanwhile_is_asked_too() -> None:
    bench = gathered(surveyed(1))
    play(bench)
    bench.ready("eve")
    assert asked(bench, "eve") == [1]
    measure(bench, 1)
    assert started(bench) == [1]
    measure(bench, 1, "eve")
    assert started(bench) == [1, 2]


def test_after_the_deadline_the_rounds_go_on_and_say_who_has_not_measured() -> None:
    bench = gathered(surveyed(1, deadline_s=100.0))
    play(bench)
    measure(bench, 1, "ann", "bob")
    bench.lose("dee")
    bench.after(99)
    assert started(bench) == [1]
    bench.after(2)
    reason = "no measurement within 100 s"
    assert bench.all(EvaluationSkipped) == [
        EvaluationSkipped(1, reason, "cid"),
        EvaluationSkipped(1, reason, "dee"),
    ]
    assert started(bench) == [1, 2]
    assert bench.selected == set(FOUR)  # it says nothing about training


def test_whoever_did_not_come_back_is_not_waited_for_again_until_it_does() -> None:
    bench = gathered(surveyed(1, 2, 3, deadline_s=100.0, round_deadline_s=10.0))
    play(bench)
    bench.lose("dee")
    measure(bench, 1, "ann", "bob", "cid")
    bench.after(101)
    assert [event.participant for event in bench.all(EvaluationSkipped)] == ["dee"]
    for number in (2, 3):
        for name in ("ann", "bob", "cid"):
            bench.update(name)
        bench.after(11)
        if number == 3:
            bench.ready("dee")
        measure(bench, number, "ann", "bob", "cid")
        assert (max(started(bench)) == number + 1) == (number == 2)
    measure(bench, 3, "dee")
    assert max(started(bench)) == 4
    assert len(bench.all(EvaluationSkipped)) == 1


def test_an_auditor_in_such_a_run_is_not_asked() -> None:
    bench = Bench(surveyed(0))
    bench.ready("aud", auditor=True)
    bench.ready(*FOUR)
    bench.after(5)
    assert asked(bench, "aud") == []
    bench.measured("aud", 0)
    assert bench.heard("aud", Rejected)[0].reason == "unexpected"
    measure(bench, 0)
    assert started(bench) == [1]


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        ("ann", 1, "duplicate"),  # it has measured it
        ("bob", 0, "late"),  # of a survey that is over
        ("bob", 2, "unexpected"),
        ("dee", 1, "unexpected"),  # it came back, is not ready yet, and was not asked
    ],
)
def test_a_report_of_one_that_was_not_asked_is_rejected(name: str, number: int, reason: str) -> None:
    bench = gathered(surveyed(0, 1))
    measure(bench, 0)
    play(bench)
    measure(bench, 1, "ann")
    bench.lose("dee")
    bench.join("dee")
    before = bench.federation.state(bench.now)
    bench.measured(name, number)
    assert bench.heard(name, Rejected)[-1].reason == reason
    assert bench.federation.state(bench.now) == before


def test_every_report_is_stored_so_that_a_restart_asks_only_the_others() -> None:
    bench = gathered(surveyed(1))
    play(bench)
    measure(bench, 1, "bob", "ann")
    assert bench.written[-1].evaluations == (Unmeasured(round=1, reported=("ann", "bob")),)
    again = resumed(bench)
    assert again.last(RunWaiting).reason == "evaluation"
    again.ready(*FOUR)
    assert [asked(again, name) for name in FOUR] == [[], [], [1], [1]]
    assert started(again) == []
    measure(again, 1, "cid", "dee")
    assert started(again) == [2]


def test_a_restart_before_anybody_has_measured_asks_all() -> None:
    bench = gathered(surveyed(0))
    again = resumed(bench)
    again.ready(*FOUR)
    assert [asked(again, name) for name in FOUR] == [[0]] * 4
    measure(again, 0)
    assert started(again) == [1]


def test_a_restart_after_the_last_round_waits_for_the_measurements_and_ends() -> None:
    bench = gathered(surveyed())
    play(bench, 4)
    measure(bench, 4, "ann")
    again = resumed(bench)
    again.ready(*FOUR)
    assert not again.finished
    measure(again, 4, "bob", "cid", "dee")
    assert again.last(RunCompleted).rounds == 4


def test_a_run_that_begins_with_its_last_round_only_measures() -> None:
    state = FederationState(
        run=RUN, round=4, roster=FOUR, shares={name: at for at, name in enumerate(FOUR)},
        evaluations=(Unmeasured(round=4),),
    )  # fmt: skip
    bench = Bench(surveyed(), state)
    bench.ready(*FOUR)
    assert not bench.finished
    measure(bench, 4)
    assert bench.finished
    assert started(bench) == []


@pytest.mark.parametrize("order", [FOUR, tuple(reversed(FOUR))])
def test_the_models_are_those_of_a_run_that_measures_nothing(order: tuple[str, ...]) -> None:
    undisturbed = gathered(tiny.scenario(rounds=4, selected=3))
    play(undisturbed, 4)
    bench = gathered(surveyed(0, 1, 2, 3, selected=3, deadline_s=50.0))
    for number in range(5):
        bench.lose("cid")
        measure(bench, number, *order[:2])
        bench.after(20)
        bench.ready("cid")
        bench.after(31)
        play(bench)
    assert [event.model_digest for event in bench.all(RoundCompleted)] == [
        event.model_digest for event in undisturbed.all(RoundCompleted)
    ]
