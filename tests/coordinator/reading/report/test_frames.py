"""Runs become plain rows."""

from pathlib import Path

import pytest

from coordinator.reading.report import frames
from tests.coordinator.reading.example import evaluated, line, opening, round_lines
from tests.coordinator.reading.report.made_up import NAMES, WHOLE, run_of, with_attack


def test_an_update_is_compared_with_the_others_of_its_round(tmp_path: Path) -> None:
    rows = frames.update_rows(run_of(tmp_path))
    loudest = frames.standing_out(rows)
    assert (loudest[0].participant, loudest[0].round, loudest[0].role) == ("eve", 3, "malicious")
    assert loudest[0].attack
    assert loudest[0].times_median == pytest.approx(18.0)
    assert loudest[1].times_median == pytest.approx(1.0)


def test_where_hardly_anybody_answered_nothing_can_stand_out(tmp_path: Path) -> None:
    rows = frames.update_rows(
        run_of(tmp_path, lines=[*opening("ann", "bob"), *round_lines(1, ("ann", "bob"))])
    )
    assert [row.times_median for row in rows] == [None, None]
    assert frames.standing_out(rows) == []


def test_what_was_measured_keeps_who_measured_it_and_the_paired_difference(tmp_path: Path) -> None:
    interval = {"mean": -0.25, "ci95": 0.02, "episodes": 40}
    difference = {
        "against": "linear",
        "main_accuracy": interval,
        "attack_train": interval,
        "attack_validation": interval,
    }
    lines = [*opening(*NAMES), *round_lines(1, NAMES)]
    for name in NAMES:
        lines += [
            evaluated(1, auditor=name),
            evaluated(1, decision="matching", auditor=name, difference=difference),
        ]
    run = run_of(tmp_path, lines=lines)
    rows = list(frames.evaluation_rows(run))
    assert len(rows) == 6
    assert {(row.evaluator, row.role) for row in rows} == {
        ("ann", "benign"),
        ("bob", "benign"),
        ("eve", "malicious"),
    }
    matching = [row for row in rows if row.decision == "matching"]
    assert [(row.against, row.minus_attack_train) for row in matching] == [("linear", -0.25)] * 3
    pooled = frames.accuracy_rows(run)
    assert [(row.decision, row.evaluators) for row in pooled] == [("linear", 2), ("matching", 2)]


def test_rejections_are_counted_by_reason_and_those_of_the_round_that_goes_on_too(tmp_path: Path) -> None:
    started, *_, done = round_lines(1, NAMES)
    lines = [
        *opening(*NAMES),
        started,
        line("update_rejected", round=1, participant="ann", reason="duplicate"),
        done.replace('"rejected": 0', '"rejected": 5, "rejections": {"duplicate": 4, "late": 1}'),
        round_lines(2, NAMES)[0],
        line("update_rejected", round=2, participant="ann", reason="late"),
    ]
    rows = frames.rejection_rows(run_of(tmp_path, lines=lines))
    assert [(row.reason, row.count, row.rounds) for row in rows] == [("duplicate", 4, 1), ("late", 2, 2)]


def test_participants_come_in_the_order_that_people_count_in(tmp_path: Path) -> None:
    names = [f"participant-{number}" for number in (10, 9, 1, 2)]
    run = run_of(tmp_path, lines=[*opening(*names), *round_lines(1, tuple(names))])
    rows = frames.participant_rows(run)
    assert [row.participant for row in rows] == [f"participant-{number}" for number in (1, 2, 9, 10)]
    assert {(row.accepted, row.selected, row.median_norm) for row in rows} == {(1, 1, 0.5)}


def test_attack_rounds_are_those_that_the_run_has_reached(tmp_path: Path) -> None:
    settings = ("federation.rounds=9", "attack.rounds=[3, 9]")
    run = run_of(tmp_path, lines=WHOLE, settings=settings)
    assert run.attacks == (3,)
    assert [row.round for row in frames.round_rows(run) if row.attack] == [3]


def test_a_resume_shows_as_a_movement_of_everybody(tmp_path: Path) -> None:
    lines = [
        *opening("ann", "bob"),
        *round_lines(1),
        *round_lines(2),
        line("participant_lost", participant="bob", reason="silent", round=2),
        line("run_resumed", round=1),
        line("participant_joined", participant="ann", auditor=False),
    ]
    run = run_of(tmp_path, lines=lines)
    moves = [(row.participant, row.kind, row.round, row.reason) for row in frames.movement_rows(run)]
    assert moves == [
        ("ann", "joined", 0, None),
        ("bob", "joined", 0, None),
        ("bob", "lost", 1, "silent"),
        ("ann", "lost", 1, "restart"),
        ("ann", "joined", 1, None),
    ]
    assert run.history.info.restarts == (1,)


def test_an_attackers_norm_is_read_from_its_line(tmp_path: Path) -> None:
    run = run_of(tmp_path, lines=[*opening(*NAMES), *with_attack(1, norm=4.0)])
    assert [row.norm for row in frames.update_rows(run)] == [0.5, 0.5, 4.0]
