"""Several measurements of one thing become one."""

import pytest

from coordinator.reading.fold import read_history
from coordinator.reading.pooling import Measured, at_usual_steps, in_order, pooled, steps_of
from tests.coordinator.reading.example import evaluated, opening

PARTICIPANTS = opening("ann", "bob", "eve")


def measured(*lines: str, roles: dict[str, str] | None = None) -> tuple[Measured, ...]:
    return pooled(read_history([*PARTICIPANTS, *lines]).evaluations, roles or {})


def test_over_participants_the_mean_and_the_mean_half_width_count() -> None:
    (one,) = measured(evaluated(1, backdoor=0.2, auditor="ann"), evaluated(1, backdoor=0.6, auditor="bob"))
    assert one.attack_train.mean == pytest.approx(0.4)
    assert one.attack_validation.mean == pytest.approx(0.2)
    assert one.attack_train.ci95 == pytest.approx(0.03)
    assert one.evaluators == ("ann", "bob")


def test_a_malicious_participant_has_no_say_in_the_mean() -> None:
    lines = [evaluated(1, backdoor=value, auditor=name) for name, value in (("ann", 0.2), ("eve", 1.0))]
    roles = {"ann": "benign", "eve": "malicious"}
    (without,) = measured(*lines, roles=roles)
    assert (without.attack_train.mean, without.evaluators) == (0.2, ("ann",))
    (unknown,) = measured(*lines)
    assert unknown.attack_train.mean == pytest.approx(0.6)
    assert measured(lines[1], roles=roles) == ()


def test_auditors_measure_the_same_model_so_the_later_one_counts() -> None:
    lines = [
        *opening("auditor"),
        evaluated(1, backdoor=0.2),
        evaluated(1, backdoor=0.4, auditor="auditor"),
    ]
    (one,) = pooled(read_history(lines).evaluations, {})
    assert one.attack_train.mean == 0.4


def test_settings_are_never_mixed() -> None:
    lines = [
        evaluated(1),
        evaluated(2),
        evaluated(1, decision="matching"),
        evaluated(1, shot=1),
        evaluated(1, adaptation_steps=5),
        evaluated(1, backdoor_in_support=True),
    ]
    assert len(measured(*lines)) == 6


def test_of_several_step_counts_fifty_is_the_usual_one_else_the_largest() -> None:
    lines = [
        *(evaluated(1, adaptation_steps=steps) for steps in (0, 5, 50, 100)),
        *(evaluated(1, decision="fresh-head", adaptation_steps=steps) for steps in (0, 20)),
        evaluated(1, decision="matching", adaptation_steps=0),
    ]
    every = measured(*lines)
    assert steps_of(every)["linear"] == (0, 5, 50, 100)
    assert {one.decision: one.adaptation_steps for one in at_usual_steps(every)} == {
        "linear": 50,
        "fresh-head": 20,
        "matching": 0,
    }


def test_the_order_is_by_round_and_then_as_the_scenario_lists_decisions() -> None:
    every = measured(
        evaluated(2), evaluated(1, decision="alien"), evaluated(1), evaluated(1, decision="matching")
    )
    order = [(one.round, one.decision) for one in in_order(every, ["matching", "linear"])]
    assert order == [(1, "matching"), (1, "linear"), (1, "alien"), (2, "linear")]
