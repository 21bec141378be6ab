"""What is computed from a history."""

import pytest

from coordinator.reading.fold import read_history
from coordinator.reading.views import as_played, condensed, phase, record_of, relative_label, seconds_left
from protocol.scenario import parse_scenario
from tests.coordinator.reading.example import WHOLE_RUN, line, opening, round_lines


@pytest.mark.parametrize(
    ("number", "attacks", "label"),
    [
        (0, (), "initial model"),
        (7, (), "after round 7"),
        (0, (10,), "before the attack"),
        (9, (10,), "before the attack"),
        (10, (10,), "right after it"),
        (11, (10,), "+1 benign round"),
        (60, (10,), "+50 benign rounds"),
        (10, (10, 12, 14), "during the attack (1 of 3)"),
        (13, (10, 12, 14), "during the attack (2 of 3)"),
        (14, (10, 12, 14), "right after it"),
    ],
)
def test_rounds_are_named_after_where_they_lie_to_the_attack(
    number: int, attacks: tuple[int, ...], label: str
) -> None:
    assert relative_label(number, attacks) == label


def test_phases() -> None:
    assert [phase(n, (2, 4)) for n in range(1, 6)] == [
        "pre-training", "attack", "benign round between attacks", "attack", "benign rounds after the attack",
    ]  # fmt: skip
    assert phase(3, ()) == "training"


def test_a_long_run_is_condensed_to_what_is_remarkable() -> None:
    lines = opening("ann", "bob")
    for number in range(1, 2001):
        lines += round_lines(number)
    lines.append(line("update_rejected", round=777, participant="ann", reason="late"))
    rounds = read_history(lines).rounds
    shown = [round_.number for round_ in condensed(rounds, frozenset({1000, 1001}), 40)]
    assert {1, 777, 1000, 1001, 2000} <= set(shown)
    assert len(shown) <= 50
    assert shown == sorted(shown)


def test_a_run_in_which_every_round_is_remarkable_is_condensed_as_well() -> None:
    lines = opening("ann")
    for number in range(1, 1001):
        lines += [
            *round_lines(number),
            line("update_rejected", round=number, participant="ann", reason="late"),
        ]
    assert len(condensed(read_history(lines).rounds, frozenset(), 40)) <= 50


def test_a_short_run_is_shown_whole() -> None:
    rounds = read_history(WHOLE_RUN).rounds
    assert condensed(rounds, frozenset(), 40) == rounds


def test_a_participants_record() -> None:
    record = record_of("ann", read_history(WHOLE_RUN).rounds)
    assert (record.selected, record.accepted, record.rejected) == (3, 3, 0)
    assert (record.last_round, record.last_norm, record.median_seconds) == (3, 0.5, 0.25)


def test_the_time_left_follows_from_the_rounds_so_far() -> None:
    history = read_history([*opening(), *round_lines(1), *round_lines(2)])
    assert seconds_left(history, 10) == 8 * 1.5
    assert seconds_left(read_history(opening()), 10) is None


def test_a_run_in_which_nobody_was_malicious_had_no_attack() -> None:
    scenario = parse_scenario("[attack]\nrounds = [3]")
    assert as_played(scenario, {"ann": "benign", "auditor": "auditor"}).attack.rounds == ()
    assert as_played(scenario, {"ann": "benign", "eve": "malicious"}) is scenario
    assert as_played(scenario, {}) is scenario  # nobody knows
