"""What is shown while a run goes on."""

import io
from datetime import datetime

import pytest
from rich.console import Console

from coordinator.reading.fold import Reading, read_history
from coordinator.reading.progress import PlainProgress, dashboard
from coordinator.reading.tables import Output
from protocol.scenario import parse_scenario
from tests.coordinator.reading.example import WHOLE_RUN, evaluated, line, opening, round_lines

SCENARIO = parse_scenario(
    'decision.names = ["matching"]\nevaluation.rounds = [1, 2]\nattack = { rounds = [2], steps = 5 }',
    ["federation.rounds=3"],
)
AT = datetime.fromisoformat("2026-01-02T03:04:05.000006Z")  # of the example's journal


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.reading.progress._now", lambda: AT)


def plain(lines: list[str]) -> list[str]:
    output = io.StringIO()
    progress = PlainProgress(Console(file=output, width=40), SCENARIO)
    reading = Reading()
    for entry in lines:
        event = reading.feed(entry)
        progress.update([event] if event else [], reading)
    return output.getvalue().splitlines()


def test_piped_progress_is_one_line_for_each_thing_and_few_for_rounds() -> None:
    lines = plain(WHOLE_RUN)
    assert lines[0] == "coordinator at tcp://127.0.0.1:5555"
    assert lines[1] == "ann joined"
    rounds = [entry for entry in lines if entry.startswith("round ") and "updates in" in entry]
    assert rounds == ["round 1 of 3 (pre-training), about 57 s left: 2 updates in 1.50 s"]
    assert lines[-1] == "run completed"


def test_the_last_measurements_are_said_to_be_made_and_how_long_they_take() -> None:
    lines = plain([*opening("ann", "auditor"), *round_lines(1), *round_lines(2), *round_lines(3)])
    assert lines[-1] == "the last measurements, about 52 s left"
    lines = plain(WHOLE_RUN)
    assert lines[-3] == "the last measurements, about 18 s left"
    assert "the last measurements" not in "".join(plain([*opening("ann"), *round_lines(1), *round_lines(3)]))


def test_what_goes_wrong_is_said() -> None:
    lines = plain(
        [
            *opening("ann"),
            line("run_waiting", round=1, reason="participants", joined=1, needed=2),
            line("participant_lost", participant="ann", reason="silent"),
            line("participant_refused", participant="eve", reason="name_taken", detail=""),
            line("round_retried", round=1),
            line("evaluation_skipped", round=1, reason="no auditor"),
            line("evaluation_skipped", round=1, reason="deadline", participant="bob"),
            line("run_failed", reason="the disk is full"),
        ]
    )
    assert lines[2:] == [
        "round 1 waits for participants: 1 are ready, 2 are needed",
        "ann is lost",
        "eve was refused: name_taken",
        "round 1 had too few updates at its deadline and is retried",
        "the evaluation after round 1 was skipped: no auditor",
        "the evaluation after round 1 by bob was skipped: deadline",
        "run failed: the disk is full",
    ]


def test_a_models_measurements_are_one_line_for_each_decision() -> None:
    steps = [evaluated(3, adaptation_steps=count, backdoor=count / 100) for count in (0, 50, 100)]
    lines = [*opening("auditor"), *steps, line("run_completed")]
    assert [entry for entry in in_one_batch(lines) if "linear" in entry] == [
        "round 3 (+1 benign round), linear 5-shot: main task 0.90 ±0.03, backdoor 0.50 ±0.03 (attack-train), "
        "0.25 ±0.03 (attack-validation)"
    ]


def test_participants_are_waited_for_and_said_together() -> None:
    names = ("ann", "bob")
    measured = [
        evaluated(1, auditor=name, backdoor=value) for name, value in zip(names, (0.2, 0.6), strict=True)
    ]
    lines = plain([*opening(*names), *round_lines(1), *measured, *round_lines(2)[:1]])
    assert [entry for entry in lines if "linear" in entry] == [
        "round 1 (before the attack), linear 5-shot, mean over 2 participants: main task 0.90 ±0.03, "
        "backdoor 0.40 ±0.03 (attack-train), 0.20 ±0.03 (attack-validation)"
    ]


def in_one_batch(lines: list[str]) -> list[str]:
    output, reading = io.StringIO(), Reading()
    events = [event for entry in lines if (event := reading.feed(entry))]
    PlainProgress(Console(file=output, width=40), SCENARIO).update(events, reading)
    return output.getvalue().splitlines()


class Unread(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_a_run_goes_on_when_nobody_reads_along_any_more() -> None:
    progress = PlainProgress(Output(file=Unread()), SCENARIO)
    progress.note("one")
    progress.note("two")


def shown(lines: list[str]) -> str:
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(dashboard(read_history(lines), SCENARIO, AT))
    return console.export_text()


def test_the_live_display_shows_phase_participants_and_accuracies() -> None:
    text = shown([*WHOLE_RUN[:-1], line("participant_lost", participant="bob", reason="silent")])
    assert "round 3 of 3  benign rounds after the attack" in text
    assert "bob" in text
    assert "lost" in text
    assert "0.50 ±0.03" in text
    assert shown([*opening("ann"), *round_lines(1)]).startswith("round 1 of 3  pre-training  about 4 s left")
    assert "waiting for participants" in shown(opening("ann"))


def test_the_bar_is_full_when_everything_is_measured_and_not_before() -> None:
    rounds = [*opening("ann", "auditor"), *round_lines(1), *round_lines(2), *round_lines(3)]
    waits = shown([*rounds, evaluated(1)])
    assert "round 3 of 3  the last measurements  about 35 s left" in waits
    assert shown(WHOLE_RUN[:-1]).splitlines()[1].count("━") == 60 > waits.splitlines()[1].count("━")
