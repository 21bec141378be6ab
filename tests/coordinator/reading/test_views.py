"""What is computed from a history."""

from statistics import median

import pytest

from coordinator.reading.fold import read_history
from coordinator.reading.views import (
    as_played,
    condensed,
    phase,
    record_of,
    relative_label,
    remarks,
    times_others,
)
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
    shown = [round_.number for round_ in condensed(rounds, 40, evaluated={1000, 1001})]
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
    assert len(condensed(read_history(lines).rounds, 40)) <= 50


def test_no_rejection_hides_the_attack_and_no_attack_hides_the_rest() -> None:
    lines = opening("ann")
    for number in range(1, 1001):
        lines += [
            *round_lines(number),
            line("update_rejected", round=number, participant="ann", reason="late"),
        ]
    rounds = read_history(lines).rounds
    shown = [one.number for one in condensed(rounds, 40, attacks=(500, 502))]
    assert {1, 500, 502, 1000} <= set(shown)
    assert len(shown) <= 41
    shown = [one.number for one in condensed(rounds, 40, attacks=range(500, 1001))]
    assert 10 <= len([number for number in shown if number < 500]) <= 30
    assert len(shown) <= 41


def test_what_there_is_to_say_of_rounds() -> None:
    names = ("ann", "bob", "eve")
    loud = [
        one.replace('"norm": 0.5', '"norm": 6.0') if '"eve"' in one else one for one in round_lines(2, names)
    ]
    lines = [
        *opening(*names),
        *round_lines(1, names),
        *loud,
        line("participant_lost", participant="ann", reason="silent"),
        line("participant_lost", participant="bob", reason="silent"),
        *round_lines(3, names),
        line("participant_joined", participant="ann"),
        line("checkpoint_written", round=3),
        line("run_resumed", round=3),
        *(line("participant_joined", participant=name) for name in names),
        *round_lines(4, names),
    ]
    history = read_history(lines)
    assert remarks(history, (2, 4)) == {
        2: ["attack", "norm ×12", "2 lost"],
        3: ["2 joined again"],
        4: ["attack"],
    }
    assert remarks(history, name="eve") == {2: ["norm ×12"]}
    assert remarks(history, name="ann") == {2: ["lost"], 3: ["joined again"]}


def test_a_norm_is_compared_with_the_median_of_the_others() -> None:
    names = tuple("abcdefg")
    for count in range(3, 8):
        lines = [line("round_started", round=1, attempt=1, selected=names[:count])]
        norms = [(7 * n % 5) + 1.0 for n in range(count)]
        lines += [
            line("update_accepted", round=1, participant=name, norm=norm, bytes=1, seconds=1.0)
            for name, norm in zip(names, norms, strict=False)
        ]
        (round_,) = read_history(lines).rounds
        assert times_others(round_) == [
            norm / median(norms[:i] + norms[i + 1 :]) for i, norm in enumerate(norms)
        ]
    few = read_history(round_lines(1, ("ann", "bob"))).rounds[0]
    assert times_others(few) == [None, None]
    still = read_history(round_lines(1, names, norm=0.0)).rounds[0]
    assert set(times_others(still)) == {None}


def test_a_short_run_is_shown_whole() -> None:
    rounds = read_history(WHOLE_RUN).rounds
    assert condensed(rounds, 40) == rounds


def test_a_participants_record() -> None:
    record = record_of("ann", read_history(WHOLE_RUN).rounds)
    assert (record.selected, record.accepted, record.rejected) == (3, 3, 0)
    assert (record.last_round, record.last_norm, record.median_seconds) == (3, 0.5, 0.25)


def test_a_run_in_which_nobody_was_malicious_had_no_attack() -> None:
    scenario = parse_scenario("[attack]\nrounds = [3]")
    assert as_played(scenario, {"ann": "benign", "auditor": "auditor"}).attack.rounds == ()
    assert as_played(scenario, {"ann": "benign", "eve": "malicious"}) is scenario
    assert as_played(scenario, {}) is scenario  # nobody knows
