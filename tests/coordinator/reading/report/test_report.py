"""`fedmeta report` on run directories."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coordinator.reading.report import frames
from coordinator.reading.report.cli import report
from coordinator.reading.report.comparison import comparison_of
from coordinator.reading.report.conduct import POINTS_SHOWN
from coordinator.reading.report.draft import write_csv
from coordinator.reading.report.runs import labels_of, read_runs
from coordinator.reading.report.single import report_of
from protocol.errors import UsageProblem
from tests.coordinator.reading.example import evaluated, line, opening, round_lines
from tests.coordinator.reading.report.made_up import NAMES, WHOLE, Page, run_of, with_attack, write_run


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(report, [str(a) for a in arguments], catch_exceptions=False)


def report_on(directory: Path, **what: object) -> Page:
    """Write a run, report on it, read the page."""
    write_run(directory, **what)  # type: ignore[arg-type]
    assert run(directory).exit_code == 0
    return Page((directory / "report" / "report.html").read_text(encoding="utf-8"))


def page_of(directory: Path, **what: object) -> Page:
    """The page alone, without files beside it."""
    return Page(report_of(run_of(directory, **what)).page())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class TestOneRun:
    def test_the_page_tells_what_was_run_and_what_came_of_it(self, tmp_path: Path) -> None:
        page = page_of(tmp_path / "mine")
        for said in (
            "Run mine", "completed", "4 of 4", "poisoned_episode, round 3",
            "1 auditor, 2 benign, 1 malicious",
            "before the attack", "right after it", "+1 benign round", "0.90 ±0.03",
            "stands out most is in round 3, from eve (malicious): its norm 9 is 18 times the median",
            "No update was rejected", "fedmeta run",
        ):  # fmt: skip
            assert said in page.text
        assert [one for one in page.all("p") if "notice" in (one.get("class") or "")] == []

    def test_every_figure_is_on_the_page_and_beside_it_with_its_words(self, tmp_path: Path) -> None:
        page = report_on(tmp_path)
        figures = [one for one in page.all("svg") if one.get("role") == "img"]
        assert len(figures) == len(page.all("figure")) == 4
        assert all(len(one["aria-label"] or "") > 40 for one in figures)
        files = {path.name for path in (tmp_path / "report").iterdir()}
        assert {name for name in page.attribute("href") if not name.startswith("#")} <= files
        for stem in ("accuracy-5-shot", "norms", "participants", "rounds"):
            assert {f"{stem}.png", f"{stem}.svg"} <= files
            assert (tmp_path / "report" / f"{stem}.png").read_bytes().startswith(b"\x89PNG")

    def test_the_page_needs_no_network(self, tmp_path: Path) -> None:
        page = page_of(tmp_path)
        assert "http" not in page.source.replace("http-equiv", "")
        assert page.all("script") == page.all("link") == []

    def test_the_same_run_gives_the_same_report(self, tmp_path: Path) -> None:
        write_run(tmp_path / "mine")
        contents = []
        for folder in ("first", "second"):
            run(tmp_path / "mine", "--output", tmp_path / folder)
            contents.append({path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()})
        assert contents[0] == contents[1]

    def test_doing_it_again_means_this_run_and_not_the_latest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_run(Path("runs/mine"))
        Path("runs/latest").symlink_to("mine")
        assert "runs/mine/report/report.html" in run().output
        page = Page(Path("runs/mine/report/report.html").read_text())
        assert "fedmeta run runs/mine/scenario.toml --attackers 1\nfedmeta inspect runs/mine" in page.text
        assert "latest" not in page.text
        monkeypatch.chdir("runs/mine")
        assert [one.directory for one in read_runs([Path("../latest")])] == [Path()]
        monkeypatch.chdir("report")
        assert [one.directory for one in read_runs([Path("../../latest")])] == [tmp_path / "runs" / "mine"]

    def test_the_tables_hold_every_number(self, tmp_path: Path) -> None:
        report_on(tmp_path)
        folder = tmp_path / "report"
        updates = rows_of(folder / "updates.csv")
        assert len(updates) == 12
        assert [
            row["norm"] for row in updates if row["attack"] == "true" and row["participant"] == "eve"
        ] == ["9.0"]
        accuracy = rows_of(folder / "accuracy.csv")
        assert [(row["decision"], row["attack_train"]) for row in accuracy if row["round"] == "3"] == [
            ("linear", "0.9"), ("matching", "0.3"),
        ]  # fmt: skip
        assert [row["received"] for row in rows_of(folder / "rounds.csv")] == ["3"] * 4
        assert [row["kind"] for row in rows_of(folder / "movements.csv")] == ["joined"] * 4
        assert rows_of(folder / "rejections.csv") == []
        assert {row["participant"]: row["largest_norm"] for row in rows_of(folder / "participants.csv")}[
            "eve"
        ] == "9.0"

    def test_several_step_counts_are_a_figure_of_their_own(self, tmp_path: Path) -> None:
        counts = (0, 1, 5, 50, 100)
        lines = [
            *WHOLE[:-1],
            *(evaluated(4, adaptation_steps=steps, backdoor=steps / 200) for steps in counts),
        ]
        page = report_on(tmp_path, lines=lines)
        assert (tmp_path / "report" / "steps-5-shot.png").exists()
        assert "linear 50, matching 0" in page.text
        assert "0.25 ±0.03" in page.text

    def test_participants_that_measured_are_pooled_without_malicious_ones(self, tmp_path: Path) -> None:
        lines = [*opening(*NAMES), *round_lines(1, NAMES)]
        lines += [
            evaluated(1, auditor=name, backdoor=value)
            for name, value in zip(NAMES, (0.2, 0.4, 1), strict=True)
        ]
        page = report_on(tmp_path, lines=[*lines, line("run_completed")])
        assert "means are over 2 of them (without malicious ones)" in page.text
        assert "0.30 ±0.03" in page.text
        (row,) = rows_of(tmp_path / "report" / "accuracy.csv")
        assert row["evaluators"] == "2"
        assert len(rows_of(tmp_path / "report" / "evaluations.csv")) == 3

    def test_names_are_escaped(self, tmp_path: Path) -> None:
        evil = "<b>eve</b>&$x_1$"
        lines = [*opening("ann", evil, "bob"), *round_lines(1, ("ann", evil, "bob")), evaluated(1)]
        lines.append(line("participant_refused", participant="<i>", reason="<script>"))
        page = page_of(tmp_path, lines=lines)
        assert page.all("b") == page.all("i") == page.all("script") == []
        assert evil in page.text

    def test_what_began_with_a_checkpoint_says_so(self, tmp_path: Path) -> None:
        started = line(
            "run_started", round=2, started_from="runs/pre/checkpoints/round-000002", seed=7, scenario="s"
        )
        page = page_of(tmp_path, lines=[started, *WHOLE[1:5], *with_attack(3), *round_lines(4, NAMES)])
        assert "runs/pre/checkpoints/round-000002 (round 2)" in page.text
        assert "--from runs/pre/checkpoints/round-000002" in page.text


class TestWhatIsMissing:
    def test_a_run_that_goes_on_is_reported_so_far(self, tmp_path: Path) -> None:
        write_run(tmp_path, lines=WHOLE[:14])
        result = run(tmp_path)
        assert "still running" in result.stderr
        page = Page((tmp_path / "report" / "report.html").read_text())
        assert "still running, or was killed" in page.text
        assert "so far" in page.text

    def test_a_run_that_waits_for_participants_has_a_report_too(self, tmp_path: Path) -> None:
        page = page_of(tmp_path, lines=opening())
        for said in (
            "Nothing was evaluated",
            "No update was accepted",
            "Nobody has joined",
            "No round is complete",
        ):
            assert said in page.text
        assert page.all("figure") == []

    def test_a_run_that_failed_says_why(self, tmp_path: Path) -> None:
        page = page_of(tmp_path, lines=[*WHOLE[:-1], line("run_failed", round=4, reason="the disk is full")])
        assert "this run failed before its last round: the disk is full" in page.text

    def test_nothing_evaluated(self, tmp_path: Path) -> None:
        lines = [one for one in WHOLE if json.loads(one)["event"] != "evaluated"]
        page = page_of(tmp_path, lines=lines)
        assert "Nothing was evaluated in this run" in page.text
        assert len(page.all("figure")) == 3

    def test_of_an_archive_only_what_is_in_it_is_reported(self, tmp_path: Path) -> None:
        events = ("run_started", "participant_joined", "evaluated", "run_completed")
        lines = [one for one in WHOLE if json.loads(one)["event"] in events]
        page = page_of(tmp_path / "packed", lines=lines)
        for said in ("packed: only measurements are here", "4 of 4", "right after it", "round 3"):
            assert said in page.text
        for wrong in ("No update was accepted", "No round is complete", "after round"):
            assert wrong not in page.text
        assert len(page.all("figure")) == 1
        runs = [run_of(tmp_path / "packed", lines=lines), run_of(tmp_path / "whole")]
        both = Page(comparison_of(runs).page())
        assert "before the attack" in both.text
        assert "whole: The update that stands out most" in both.text
        assert "packed: No round" not in both.text
        alone = Page(comparison_of(runs[:1]).page())
        assert "Update norms" not in alone.text

    def test_lines_that_cannot_be_read_are_counted(self, tmp_path: Path) -> None:
        page = page_of(tmp_path, lines=[*WHOLE, '{"torn', "nonsense"])
        assert "2 lines of the journal could not be read" in page.text

    def test_without_a_scenario_or_roles_the_rest_is_there(self, tmp_path: Path) -> None:
        page = page_of(tmp_path, settings=None, roles=None)
        assert "no scenario.toml" in page.text
        assert "3 and 1 auditor; other roles not known" in page.text
        assert "auditor (auditor)" in page.text
        assert "malicious" not in page.text
        assert len(page.all("figure")) == 4

    def test_nothing_shared_means_no_norms(self, tmp_path: Path) -> None:
        lines = [
            one.replace('"norm": 0.5', '"norm": 0.0').replace('"norm": 9.0', '"norm": 0.0') for one in WHOLE
        ]
        page = page_of(tmp_path, lines=lines)
        assert "Every update has norm 0" in page.text

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["nowhere"], "nowhere: no such directory"),
            ([], "runs/latest: no run yet"),
            (["empty"], "empty: holds no journal.jsonl"),
            (["fresh"], "journal.jsonl: holds no event yet; a report needs a run that has begun"),
            (["torn"], "journal.jsonl: none of its 1 lines can be read"),
            (["mine", "./mine"], "mine: this run is given twice"),
            (
                ["mine", "--output", "file"],
                "file: cannot write the report: .*; name a directory with --output",
            ),
            (["mine", "--output", "file/below"], "cannot write the report: Not a directory"),
        ],
    )
    def test_what_is_wrong_is_said_in_a_line(
        self, tmp_path: Path, arguments: list[str], says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_run(Path("mine"))
        write_run(Path("fresh"), lines=[])
        write_run(Path("torn"), lines=["{"])
        Path("empty").mkdir()
        Path("file").touch()
        with pytest.raises(UsageProblem, match=says) as problem:
            run(*arguments)
        assert "\n" not in str(problem.value)


class TestSeveralRuns:
    def test_are_laid_side_by_side_with_what_differs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        write_run(Path("weak"))
        lines = [one.replace('"norm": 9.0', '"norm": 90.0') for one in WHOLE]
        write_run(
            Path("strong"),
            lines=lines,
            settings=(*("federation.rounds=4", "attack.rounds=[3]"), "attack.boost=9.0"),
        )
        result = run("weak", "strong")
        assert "report/report.html" in result.output
        page = Page(Path("report/report.html").read_text())
        assert "weak: The update that stands out most" in page.text
        assert "its norm 90 is 180 times" in page.text
        assert rows_of(Path("report/differences.csv")) == [
            {"key": "attack.boost", "run": "weak", "value": "replace"},
            {"key": "attack.boost", "run": "strong", "value": "9.0"},
        ]
        assert {row["run"] for row in rows_of(Path("report/accuracy.csv"))} == {"weak", "strong"}
        assert Path("report/accuracy-linear-5-shot.svg").exists()
        assert len(page.all("figure")) == 4

    def test_of_unlike_kinds_are_compared_as_far_as_they_go(self, tmp_path: Path) -> None:
        whole = write_run(tmp_path / "whole")
        bare = write_run(tmp_path / "bare", lines=opening("ann"), settings=None, roles=None)
        steps = [evaluated(4, adaptation_steps=count, shot=1) for count in (0, 10)]
        late = write_run(
            tmp_path / "late",
            lines=[*WHOLE[:-1], *steps, *with_attack(5), evaluated(5)],
            settings=("federation.rounds=5", "attack.rounds=[5]"),
        )
        assert run(whole, bare, late, "--output", tmp_path / "out").exit_code == 0
        page = Page((tmp_path / "out" / "report.html").read_text())
        assert "Nothing was evaluated in: bare" in page.text
        assert "late: this run is still running" in page.text
        assert "federation.rounds" in page.text

    def test_a_decision_logics_name_is_no_path_and_no_markup(self, tmp_path: Path) -> None:
        lines = [*WHOLE[:-1], *(evaluated(4, decision=name) for name in ('../../"><b>x', "../../_><b>x"))]
        folders = [write_run(tmp_path / name, lines=lines) for name in ("one", "two")]
        run(*folders, "--output", tmp_path / "deep" / "out")
        page = Page((tmp_path / "deep" / "out" / "report.html").read_text())
        assert page.all("b") == []
        assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "deep"}
        assert len(list((tmp_path / "deep" / "out").glob("accuracy-_*.png"))) == 2

    def test_the_directories_can_come_from_the_environment(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "mine", lines=opening("ann"))
        result = CliRunner().invoke(report, [], env={"FEDMETA_RUN_DIR": str(folder)}, catch_exceptions=False)
        assert f"{folder}/report/report.html" in result.stdout

    def test_are_named_by_what_tells_them_apart(self) -> None:
        assert labels_of([Path("a/x"), Path("a/y")]) == ["x", "y"]
        assert labels_of([Path("a/x"), Path("b/x")]) == ["a/x", "b/x"]


def test_the_longest_run_stays_small_and_keeps_its_attack(tmp_path: Path) -> None:
    names = tuple(f"participant-{number}" for number in range(1, 9))
    lines = opening(*names)
    for number in range(1, 1501):
        lines += round_lines(number, names, norm=0.5 + number % 7 / 100)
    lines += [one.replace('"norm": 0.51', '"norm": 3.0') for one in round_lines(1501, names, norm=0.51)]
    settings = ("federation.rounds=1501", "attack.rounds=[1501]", "federation.participants=8")
    page = page_of(tmp_path, lines=lines, settings=settings, roles=None)
    assert len(names) * 1501 > POINTS_SHOWN
    assert len(page.source) < 1_000_000
    assert "remarkable of 1501 rounds" in page.text


def test_csv_is_read_back_as_it_was(tmp_path: Path) -> None:
    row = frames.UpdateRow("a,b", 3, True, 'quo"te\nline', "", 0.1 + 0.2, None, 400, 0.25)
    write_csv(tmp_path / "x.csv", frames.UpdateRow, [row, replace(row, attack=False)])
    first, second = rows_of(tmp_path / "x.csv")
    assert (first["run"], first["participant"], float(first["norm"])) == ("a,b", 'quo"te\nline', 0.1 + 0.2)
    assert (first["attack"], second["attack"], first["times_median"]) == ("true", "false", "")


def test_a_wrong_command_line_is_told_before_matplotlib_loads_and_nothing_needs_torch() -> None:
    code = (
        "import sys, coordinator.reading.report.cli; assert 'matplotlib' not in sys.modules; "
        "import coordinator.reading.report.comparison; assert 'matplotlib' in sys.modules; "
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
