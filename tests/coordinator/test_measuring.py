"""What is measured and when, who measures it, and what waits for it."""

import pytest

from coordinator.journal import Evaluated, EvaluationSkipped, RoundCompleted, RunCompleted, RunWaiting
from protocol.messages import Accepted, Evaluate, Rejected, Train
from protocol.scenario import Evaluation, Scenario
from tests.coordinator import tiny
from tests.coordinator.bench import Bench

FOUR = ("ann", "bob", "cid", "dee")


def measured(every: int = 0, rounds: tuple[int, ...] = (), deadline_s: float = 900.0) -> Scenario:
    """A scenario of four rounds that is evaluated so."""
    evaluation = Evaluation(every=every, rounds=rounds, deadline_s=deadline_s)
    return tiny.scenario(rounds=4).model_copy(update={"evaluation": evaluation})


class TestMeasuring:
    def test_the_initial_model_and_those_of_due_rounds_go_to_the_auditor_one_at_a_time(self) -> None:
        bench = Bench(measured(every=2))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(3)
        assert [order.round for order in bench.heard("aud", Evaluate)] == [0]
        bench.measured("aud", 0)
        assert [order.round for order in bench.heard("aud", Evaluate)] == [0, 2]
        assert bench.heard("aud", Accepted)[-1].round == 0

    def test_it_never_holds_up_a_round(self) -> None:
        bench = Bench(measured(every=1))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(4)
        assert len(bench.all(RoundCompleted)) == 4
        assert not bench.finished

    def test_the_end_waits_for_the_measurements(self) -> None:
        bench = Bench(measured())
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(4)
        bench.after(300)
        assert not bench.finished
        bench.measured("aud", 4)
        assert bench.finished

    def test_each_measurement_is_a_line_of_the_journal(self) -> None:
        bench = Bench(measured())
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(4)
        bench.measured("aud", 4, measurements=(tiny.MEASUREMENT, tiny.MEASUREMENT))
        first, second = bench.all(Evaluated)
        assert first == second
        assert (first.round, first.auditor, first.decision, first.main_accuracy) == (
            4,
            "aud",
            "linear",
            tiny.MEASUREMENT.main_accuracy,
        )

    def test_a_lost_auditor_gets_the_model_again_when_it_comes_back(self) -> None:
        bench = Bench(measured(rounds=(0,)))
        bench.ready("aud", auditor=True)
        bench.lose("aud")
        bench.ready("aud", auditor=True)
        assert [order.round for order in bench.heard("aud", Evaluate)] == [0, 0]

    def test_another_auditor_takes_over(self) -> None:
        bench = Bench(measured(rounds=(0,)))
        bench.ready("aud", auditor=True)
        bench.ready("two", auditor=True)
        assert bench.heard("two", Evaluate) == []
        bench.lose("aud")
        assert [order.round for order in bench.heard("two", Evaluate)] == [0]

    def test_outstanding_ones_survive_a_restart(self) -> None:
        bench = Bench(measured(every=1))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(2)
        bench.measured("aud", 0)
        resumed = Bench(measured(every=1), bench.federation.state(bench.now), split=tiny.SPLIT)
        resumed.ready("aud", auditor=True)
        resumed.measured("aud", 1)
        assert [order.round for order in resumed.heard("aud", Evaluate)] == [1, 2]

    def test_none_is_awaited_when_no_auditor_was_ever_there(self) -> None:
        bench = Bench(measured(every=2))
        bench.ready(*FOUR)
        bench.play(4)
        assert [event.round for event in bench.all(EvaluationSkipped)] == [0, 2, 4]
        assert bench.all(EvaluationSkipped)[0].reason == "no auditor has joined"
        assert bench.finished

    def test_an_auditor_that_is_there_may_take_until_the_deadline_for_each(self) -> None:
        bench = Bench(measured(every=1, deadline_s=100.0))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(4)
        for number in range(5):
            bench.after(90)
            assert not bench.finished
            bench.measured("aud", number)
        assert bench.finished
        assert bench.all(EvaluationSkipped) == []
        assert [event.reason for event in bench.all(RunWaiting)] == ["participants"]

    @pytest.mark.parametrize("starts_anew", [False, True])
    def test_one_that_only_says_that_it_is_there_is_not_waited_for_longer(self, starts_anew: bool) -> None:
        bench = Bench(measured(every=2, deadline_s=100.0))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(4)
        for _ in range(3):
            bench.after(30)
            if starts_anew:
                bench.lose("aud")
                bench.ready("aud", auditor=True)
        assert bench.all(EvaluationSkipped) == []
        bench.after(12)
        assert [event.round for event in bench.all(EvaluationSkipped)] == [0, 2, 4]
        assert bench.last(EvaluationSkipped).reason == "no measurement within 100 s"
        assert bench.finished

    def test_one_auditor_cannot_answer_for_another(self) -> None:
        bench = Bench(measured(rounds=(0,)))
        bench.ready("aud", auditor=True)
        bench.ready("eve", auditor=True)
        bench.measured("eve", 0)
        assert bench.heard("eve", Rejected)[0].reason == "unexpected"
        bench.measured("aud", 0, measurements=(tiny.MEASUREMENT,))
        assert bench.heard("aud", Accepted)[0].round == 0
        assert [event.auditor for event in bench.all(Evaluated)] == ["aud"]

    def test_one_that_has_gone_is_waited_for_until_the_deadline_and_the_run_says_so(self) -> None:
        bench = Bench(measured(every=2, deadline_s=100.0))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(4)
        bench.measured("aud", 0)
        bench.lose("aud")
        bench.after(90)
        assert [event.reason for event in bench.all(RunWaiting)] == ["participants", "auditor"]
        assert bench.all(EvaluationSkipped) == []
        bench.after(12)
        assert [event.round for event in bench.all(EvaluationSkipped)] == [2, 4]
        assert bench.last(EvaluationSkipped).reason == "no auditor for 100 s"
        assert bench.all(RunCompleted) != []

    def test_a_model_that_cannot_be_read_any_more_is_skipped(self) -> None:
        bench = Bench(measured(rounds=(0,)))
        bench.ready("aud", auditor=True)
        bench.perform(bench.federation.evaluation_lost(0, "damaged", bench.now))
        assert bench.last(EvaluationSkipped) == EvaluationSkipped(0, "damaged")

    @pytest.mark.parametrize(
        ("sender", "number", "reason"),
        [("aud", 0, "duplicate"), ("aud", 3, "unexpected"), ("ann", 4, "unexpected")],
    )
    def test_a_measurement_that_nobody_asked_for_is_rejected(
        self, sender: str, number: int, reason: str
    ) -> None:
        bench = Bench(measured(rounds=(0,)))
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.measured("aud", 0)
        bench.measured(sender, number)
        assert bench.heard(sender, Rejected)[0].reason == reason
        assert len(bench.heard("aud", Accepted)) == 1

    def test_an_auditor_is_never_asked_to_train(self) -> None:
        bench = Bench(tiny.scenario())
        bench.ready("aud", auditor=True)
        bench.ready(*FOUR)
        bench.play(3)
        assert bench.heard("aud", Train) == []
