"""How far a run is, and how long the rest will take."""

from datetime import datetime, timedelta

import pytest

from coordinator.reading.cost import cost_of, due_rounds
from coordinator.reading.fold import read_history
from coordinator.reading.history import RunHistory
from coordinator.reading.standing import standing
from protocol.scenario import Evaluation, Scenario, parse_scenario
from tests.coordinator.reading.example import evaluated, line, opening, round_lines

SCENARIO = parse_scenario("", ["federation.rounds=10", "attack.rounds=[5]", "evaluation.rounds=[4, 5]"])
COST = cost_of(SCENARIO, 0)
AT = datetime.fromisoformat("2026-01-02T03:04:05.000006Z")
ROUND_S = 1.5  # of the example
SLOWER = ROUND_S / COST.round


def left(history: RunHistory, *, scenario: Scenario = SCENARIO, after: float = 0) -> float | None:
    return standing(history, scenario, AT + timedelta(seconds=after)).left


def rounds(last: int, **seconds: float) -> list[str]:
    lines = [*opening("ann", "bob", "auditor")]
    for number in range(1, last + 1):
        lasted = seconds.get(f"round_{number}", ROUND_S)
        lines += [one.replace('"seconds": 1.5', f'"seconds": {lasted}') for one in round_lines(number)]
    return lines


def test_attack_and_measurements_are_reckoned_as_much_slower_than_predicted_as_the_rounds_are() -> None:
    assert left(read_history(opening("ann"))) is None
    history = read_history(rounds(3))
    assert left(history) == pytest.approx(7 * ROUND_S + SLOWER * (COST.attack + 3 * COST.evaluation))
    slow = read_history([one.replace('"seconds": 1.5', '"seconds": 15') for one in rounds(3)])
    assert left(slow) == pytest.approx(10 * (left(history) or 0))


def test_what_was_measured_counts_as_much_as_what_was_predicted() -> None:
    history = read_history([*rounds(10, round_5=41.5), evaluated(4, seconds=8.0)])
    assert left(history) == pytest.approx(2 * (SLOWER * COST.evaluation + 8.0) / 2)
    two_attacks = parse_scenario("", ["federation.rounds=10", "attack.rounds=[5, 10]"])
    cost = cost_of(two_attacks, 0)
    history = read_history(rounds(5, round_5=41.5))
    expected = 5 * ROUND_S + (SLOWER * cost.attack + 40) / 2 + SLOWER * cost.evaluation
    assert left(history, scenario=two_attacks) == pytest.approx(expected)


def test_a_round_that_waited_for_somebody_changes_nothing() -> None:
    assert left(read_history(rounds(4, round_2=600))) == left(read_history(rounds(4)))


def test_what_goes_on_counts_down_to_what_follows_it() -> None:
    history = read_history([*rounds(10), evaluated(4), evaluated(5)])
    whole = SLOWER * COST.evaluation
    assert left(history, after=5) == pytest.approx(whole - 5)
    assert left(history, after=whole + 60) == 0
    between = read_history(rounds(3))
    assert left(between, after=1000) == pytest.approx((left(between) or 0) - ROUND_S)


def test_after_the_last_round_measuring_is_what_is_left() -> None:
    at = standing(read_history([*rounds(10), evaluated(4)]), SCENARIO, AT)
    assert (at.what, at.measuring) == ("the last measurements", True)
    assert at.behind == pytest.approx(at.total - 2 * COST.evaluation)
    everything = [*rounds(10), evaluated(4), evaluated(5), evaluated(10)]
    at = standing(read_history(everything), SCENARIO, AT)
    assert at.behind == pytest.approx(at.total)
    assert (at.left, at.measuring) == (0, False)


def test_where_nobody_can_measure_no_time_is_foretold() -> None:
    lines = [one for one in rounds(3) if '"participant": "auditor"' not in one]
    assert left(read_history(lines)) == pytest.approx(7 * ROUND_S + SLOWER * COST.attack)
    gone = [*rounds(10), line("participant_lost", participant="auditor", reason="silent")]
    at = standing(read_history(gone), SCENARIO, AT)
    assert (at.what, at.left, at.measuring) == ("waiting for an auditor", None, False)
    skipped = [line("evaluation_skipped", round=number, reason="no auditor") for number in (4, 5, 10)]
    assert left(read_history([*gone, *skipped])) == 0


def test_models_to_measure_are_counted_without_looking_at_every_round() -> None:
    for evaluation in (
        Evaluation(every=3, rounds=(0, 4, 9, 50)),
        Evaluation(every=7),
        Evaluation(rounds=(2, 3)),
    ):
        for first in (0, 3, 5):
            for last in (20, 21):
                for reached in (first, 8, last):
                    due = [n for n in range(first, reached + 1) if evaluation.due(n, last)]
                    assert due_rounds(evaluation, first, reached, last) == len(due)
    assert due_rounds(Evaluation(every=1), 0, 2**31 - 1, 2**31 - 1) == 2**31
