"""`fedmeta inspect` on a run directory."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from coordinator.reading.cli import find_journal, inspect
from coordinator.reading.fold import Reading, read_history
from coordinator.reading.follow import JournalTail, follow
from coordinator.reading.tables import summary_table
from protocol.errors import UsageProblem
from protocol.scenario import dump_scenario, parse_scenario
from tests.coordinator.reading.example import WHOLE_RUN, evaluated, line, opening, round_lines

SCENARIO = dump_scenario(parse_scenario("", ["federation.rounds=3", "attack.rounds=[2]"]))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "journal.jsonl").write_text("\n".join(WHOLE_RUN) + "\n")
    (tmp_path / "scenario.toml").write_text(SCENARIO)
    (tmp_path / "roles.json").write_text('{"ann": "benign", "bob": "malicious", "auditor": "auditor"}')
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(inspect, [str(a) for a in arguments], catch_exceptions=False)


def test_a_run_is_shown_with_rounds_participants_and_accuracies(run_dir: Path) -> None:
    output = run(run_dir).output
    assert "completed, 3 of 3 rounds" in output
    assert "bob" in output
    assert "malicious" in output
    assert "right after it" in output
    assert "0.75 ±0.03" in output
    assert "not transductive" in output
    assert "untrained" not in output


def test_of_a_model_shared_in_part_the_table_says_what_the_rest_is(run_dir: Path) -> None:
    text = dump_scenario(parse_scenario(SCENARIO, ["model.shared=2"]))
    (run_dir / "scenario.toml").write_text(text)
    output = " ".join(run(run_dir).output.split())
    assert "model.shared = 2: the rest is the auditor's own, untrained" in output
    assert "episodes: 40" in output


def write_journal(run_dir: Path, *lines: str) -> None:
    (run_dir / "journal.jsonl").write_text("".join(f"{one}\n" for one in lines))


def test_of_several_step_counts_the_table_shows_one_and_all_shows_each(run_dir: Path) -> None:
    counts = (0, 5, 50, 100)
    measured = [evaluated(3, adaptation_steps=steps, backdoor=steps / 100) for steps in counts]
    write_journal(run_dir, *opening("auditor"), *round_lines(3), *measured)
    output = " ".join(run(run_dir).output.split())
    assert "adaptation steps: 50; " in output
    assert "measured after 0, 5, 50, 100 (--all shows each)" in output
    assert "0.05 ±0.03" not in output
    every = run(run_dir, "--all").output
    assert [f"{steps / 100:.2f} ±0.03" in every for steps in counts] == [True] * 4
    assert "--all" not in every


def test_participants_that_measured_are_one_row_without_malicious_ones(run_dir: Path) -> None:
    values = {"ann": 0.2, "eve": 0.4, "bob": 1.0}  # bob is malicious
    measured = [evaluated(3, auditor=name, backdoor=value) for name, value in values.items()]
    write_journal(run_dir, *opening("ann", "bob", "eve"), *round_lines(3), *measured)
    output = " ".join(run(run_dir).output.split())
    assert "0.30 ±0.03" in output
    assert "mean over 2 participants that measured" in output
    assert "without 1 malicious" in output
    assert len(json.loads(run(run_dir, "--json").output)["evaluations"]) == 3


def test_the_summary_fits_a_narrow_terminal(run_dir: Path) -> None:
    text = dump_scenario(parse_scenario(SCENARIO, ["evaluation.backdoor_in_support=[false, true]"]))
    (run_dir / "scenario.toml").write_text(text)
    measured = [
        evaluated(3, decision=decision, backdoor_in_support=held, adaptation_steps=steps)
        for decision in ("fresh-head", "matching-tuned")
        for held in (False, True)
        for steps in (0, 50)
    ]
    measured.append(evaluated(3, decision="matching", adaptation_steps=0))
    write_journal(run_dir, *opening("auditor"), *round_lines(3), *measured)
    history = read_history((run_dir / "journal.jsonl").read_text().splitlines())
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(summary_table(history, parse_scenario(text), {}))
    shown = console.export_text()
    assert "matching-tuned *" in shown
    assert "*: with the backdoor class in support" in " ".join(shown.split())
    assert shown.count("0.25 ±0.03") == 5
    assert max(map(len, shown.splitlines())) <= 80


def test_of_a_run_from_an_archive_it_is_said_what_is_not_there(run_dir: Path) -> None:
    events = ("run_started", "participant_joined", "evaluated", "run_completed")
    write_journal(run_dir, *(one for one in WHOLE_RUN if json.loads(one)["event"] in events))
    output = run(run_dir).output
    assert "completed, measured up to round 3 of 3\nonly measurements are here" in output
    assert "right after it" in output
    assert "0.75 ±0.03" in output
    assert "Rounds" not in output
    assert "state" not in output
    bob = run(run_dir, "--participant", "bob").output
    assert "malicious" in bob
    assert "round by round" not in bob
    with pytest.raises(UsageProblem, match=r"no round 2 in this run; its rounds: only measurements are here"):
        run(run_dir, "--round", "2")


def test_what_a_run_began_with_is_said(run_dir: Path) -> None:
    started = line("run_started", endpoint="tcp://x", round=2, started_from="runs/pre/round-000002.json")
    write_journal(run_dir, started, *round_lines(3))
    assert "started from runs/pre/round-000002.json, the model after round 2" in run(run_dir).output


def test_one_round_in_detail(run_dir: Path) -> None:
    output = run(run_dir, "--round", "2").output
    assert "round 2, started 2026-01-02 03:04:05" in output
    assert "ann" in output
    assert "accepted" in output


def test_one_participant(run_dir: Path) -> None:
    output = run(run_dir, "--participant", "bob").output
    assert "bob, round by round" in output
    assert "ann" not in output


def test_of_a_long_run_the_attack_and_what_happened_are_shown(run_dir: Path) -> None:
    names = ("ann", "bob", "eve")
    lines = opening(*names)
    for number in range(1, 1001):
        lines += round_lines(number, names)
        if number == 777:
            lines += [
                line("participant_lost", participant="bob", reason="silent"),
                line("participant_joined", participant="bob"),
            ]
    loud = [
        one.replace('"norm": 0.5', '"norm": 6.0') if '"bob"' in one else one
        for one in round_lines(851, names)
    ]
    lines = [one for one in lines if '"round": 851,' not in one] + loud
    write_journal(run_dir, *lines)
    (run_dir / "scenario.toml").write_text(
        dump_scenario(parse_scenario("", ["federation.rounds=1000", "attack.rounds=[851, 903]"]))
    )

    def noted(*arguments: str) -> dict[str, str]:
        rows = (
            row.split(maxsplit=1) for row in run(run_dir, *arguments).output.splitlines() if row[:1].isdigit()
        )
        return {number: rest.rstrip().split("  ")[-1] for number, rest in rows}

    whole, bob, ann = noted(), noted("--participant", "bob"), noted("--participant", "ann")
    assert (whole["777"], whole["851"], whole["903"]) == (
        "1 lost, 1 joined again",
        "attack, norm ×12",
        "attack",
    )
    assert (bob["777"], bob["851"], bob["903"]) == ("lost, joined again", "attack, norm ×12", "attack")
    assert "777" not in ann
    assert (ann["851"], ann["903"]) == ("attack", "attack")
    assert "attack, norm ×12\n" in run(run_dir, "--round", "851").output


def test_json_holds_the_same_for_programs(run_dir: Path) -> None:
    document = json.loads(run(run_dir, "--json").output)
    assert document["info"]["status"] == "completed"
    assert [r["number"] for r in document["rounds"]] == [1, 2, 3]
    assert document["roles"]["bob"] == "malicious"
    assert json.loads(run(run_dir, "--json", "--round", "1").output)["updates"][0]["participant"] == "ann"
    assert json.loads(run(run_dir, "--json", "--participant", "ann").output)["accepted"] == 3


def test_follow_on_a_complete_run_shows_it_and_ends(run_dir: Path) -> None:
    output = run(run_dir, "--follow").output
    assert output.endswith("run completed\n")
    assert "round 2 (right after it), linear 5-shot: main task 0.90 ±0.03" in output


def test_a_journal_that_grows_is_followed_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    reading = Reading()
    batches = follow(path, reading, poll_s=0.005)
    assert next(batches) == []
    text = "\n".join([*opening("ann"), *round_lines(1), line("run_completed")]) + "\n"
    first, rest = text[:250], text[250:]
    path.write_text(first)
    next(batches)
    with path.open("a") as file:
        file.write(rest)
    for _ in batches:
        pass
    assert reading.info.status == "completed"
    assert reading.unreadable == 0


def test_a_line_is_taken_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    tail = JournalTail(path)
    assert tail.new_lines() == []
    path.write_bytes(b"one\ntw")
    assert tail.new_lines() == ["one"]
    with path.open("ab") as file:
        file.write(b"o\n")
    assert tail.new_lines() == ["two"]


def test_the_latest_run_is_read_when_none_is_named(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run_dir / "runs").mkdir()
    (run_dir / "runs" / "latest").symlink_to(run_dir)
    monkeypatch.chdir(run_dir)
    assert "completed" in run().output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "nowhere: no such directory"),
        ([], "runs/latest: no run yet"),
        (["empty"], "empty: holds no journal.jsonl"),
        (["fresh"], "journal.jsonl: holds no event yet"),
        ([".", "--round", "9"], "no round 9 in this run; its rounds: 1 to 3"),
        ([".", "--participant", "eve"], "no participant 'eve' in this run; there were: ann, auditor, bob"),
        ([".", "--follow", "--json"], "already one JSON object a line"),
    ],
)
def test_what_is_not_there_is_said(
    run_dir: Path, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_dir)
    Path("empty").mkdir()
    Path("fresh").mkdir()
    Path("fresh/journal.jsonl").touch()
    with pytest.raises(UsageProblem, match=says.replace("(", r"\(")):
        run(*arguments)


def test_reading_needs_no_torch() -> None:
    code = "import coordinator.reading.cli, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_study_is_not_a_run_and_says_where_its_runs_are(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(UsageProblem, match=r"a study, .*report\.html; name one of its runs, in .*runs"):
        find_journal(tmp_path)
