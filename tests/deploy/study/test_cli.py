"""`fedmeta reproduce` as a person meets it: what is wrong is said in a line, before anything starts."""

import io
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from deploy import cli
from deploy.study.cli import say
from tests.deploy.study.journals import as_the_paper_says, write_study


def reproduce(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    """Exit code, lines on stderr, stdout."""
    with pytest.raises(SystemExit) as exit_:
        cli.main(["reproduce", *arguments])
    output = capsys.readouterr()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, output.err.splitlines(), output.out


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("E9",), "no experiment is named 'E9'; name E1 to E7, or all"),
        ((), "fedmeta: name an experiment: E1 to E7, or all"),
    ],
)
def test_who_names_no_experiment_gets_the_list(
    names: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, errors, _ = reproduce(capsys, *names)
    assert code == 2
    for n, line in enumerate(errors[1:8], start=1):
        assert line.startswith(f"  E{n}  ")
    assert errors[-1].endswith(says)
    assert not Path("studies").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("E1", "--dataset", "nothing"), "no dataset is named 'nothing'"),
        (("E1", "all"), "E1 all: all is every experiment; name either all, or experiments"),
        (("E1", "--seeds", "0"), "0 is not in the range x>=1"),
        (("E1", "--write", "x.md"), "--write is of: fedmeta reproduce results"),
        (("results", "somewhere"), "fedmeta: results needs studies and a file, as in: fedmeta"),
        (("results", "somewhere", "--write", "x.md"), "somewhere: holds no study"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, errors, _ = reproduce(capsys, *arguments)
    assert code == 2
    assert len(errors) == 1
    assert says in errors[0]
    assert not Path("studies").exists()


def test_data_with_too_few_classes_are_refused_with_both_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(12):
        folder = tmp_path / "data" / "image_folder" / f"class-{n:02}"
        folder.mkdir(parents=True)
        for number in range(2):
            Image.new("L", (28, 28), n).save(folder / f"{number}.png")
    code, errors, _ = reproduce(
        capsys, "E1", "--dataset", "image_folder", "--data-dir", str(tmp_path / "data")
    )
    assert code == 2
    (line,) = errors
    assert "image_folder has 12 classes, and 69 are needed: 20 for 4 participants in 5-way" in line
    assert not Path("studies").exists()


def test_a_directory_of_another_study_is_refused_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "here", ["E1"], as_the_paper_says, (1,))
    code, errors, _ = reproduce(capsys, "E1", "--output", str(tmp_path / "here"))
    assert code == 2
    (line,) = errors
    assert "holds a study of" in line
    assert line.endswith("choose another --output")


def test_a_directory_that_holds_something_else_is_refused_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    code, errors, _ = reproduce(capsys, "E1", "--quick", "--output", "mine")
    assert code == 2
    assert errors == [
        "fedmeta: mine: is not empty and holds no study (no study.json in it); choose another --output"
    ]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_device_that_is_not_there_is_refused_before_a_directory_is_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, errors, _ = reproduce(capsys, "E1", "--quick", "--output", "out", "--device", "cuda:99")
    assert code == 2
    assert len(errors) == 1
    assert "cuda:99" in errors[0]
    assert not Path("out").exists()


def test_results_are_written_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(tmp_path / "here", ["E1"], as_the_paper_says, (1, 2))
    code, _, output = reproduce(capsys, "results", str(tmp_path / "here"), "--write", "docs/RESULTS.md")
    assert code == 0
    assert output == "docs/RESULTS.md\n"
    assert Path("docs/RESULTS.md").read_text().startswith("# Results\n")


def test_results_of_what_is_no_more_the_study_that_it_says_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "here", ["E1"], as_the_paper_says, (1,))
    results = "results", "here", "--write", "docs/RESULTS.md"
    ledger, scenario = Path("here/study.json"), Path("here/runs/E1-s1/scenario.toml")

    def refusal(path: Path, before: str, after: str) -> str:
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
        code, (line,), _ = reproduce(capsys, *results)
        path.write_text(text)
        assert code == 2
        return line

    assert refusal(scenario, "steps = 1000", "steps = 7").endswith(
        "here/runs/E1-s1: was run with another attack.steps (7, not 1000); leave this study out, or delete "
        "that directory"
    )
    there = f'"version": "{version("fedmeta")}"'
    line = refusal(ledger, there, '"version": "0.0.9"')
    assert "here: holds a study of 0.0.9 (fedmeta's version), and this is " in line
    assert line.endswith("; leave this study out")
    assert not Path("docs").exists()
    assert reproduce(capsys, *results)[0] == 0


def test_two_studies_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "other"):
        write_study(tmp_path / name, ["E1"], as_the_paper_says, (1,))
    code, errors, _ = reproduce(capsys, "results", "one", "other", "--write", "docs/RESULTS.md")
    assert code == 2
    assert errors == ["fedmeta: one, other: both are strokes-quick; name one of them"]
    assert not Path("docs").exists()


def test_results_that_cannot_be_written_are_a_line_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "here", ["E1"], as_the_paper_says, (1,))
    Path("file").touch()
    code, errors, _ = reproduce(capsys, "results", "here", "--write", "file/RESULTS.md")
    assert code == 2
    assert errors == [
        "fedmeta: file: cannot use this folder to write to: File exists; choose another, or make it yours"
    ]


def test_a_sentence_is_broken_between_words_in_a_terminal_and_one_line_elsewhere() -> None:
    line = "   inconclusive: it rises; found [0.1] in one seed"
    terminal, file = io.StringIO(), io.StringIO()
    say(Console(file=terminal, force_terminal=True, width=20, color_system=None), line)
    assert [one.rstrip() for one in terminal.getvalue().splitlines()] == [
        "   inconclusive: it",
        "   rises; found",
        "   [0.1] in one seed",
    ]
    say(Console(file=file, width=20), line)
    assert file.getvalue() == f"{line}\n"


def test_help_does_not_wait_for_torch_or_matplotlib() -> None:
    code = (
        "import sys\nfrom deploy.cli import main\n"
        "try: main(['reproduce', '--help'])\n"
        "except SystemExit: print(sorted({'torch', 'matplotlib', 'jinja2'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert answer.stdout.splitlines()[-1] == "[]"
    assert "E7  Sharing depth" in answer.stdout
    assert not re.search(r"\S {2,}and OUTPUT", answer.stdout)
