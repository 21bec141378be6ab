"""The command line as a person or a script meets it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from deploy import cli
from protocol.errors import RunFailed, UsageProblem
from tests.coordinator.reading.example import WHOLE_RUN


def fedmeta(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_help_lists_every_subcommand_and_imports_none_of_them() -> None:
    code = (
        "import sys, time; begin = time.perf_counter(); from deploy.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as exit_: code = exit_.code\n"
        "loaded = {'torch', 'numpy', 'zmq'} & set(sys.modules)\n"
        "print('\\nresult:', code, sorted(loaded), time.perf_counter() - begin)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    result = answer.stdout.splitlines()[-1].split()
    assert result[1:3] == ["0", "[]"]
    assert float(result[3]) < 0.5
    for name in cli.SUBCOMMANDS:
        assert f"\n  {name} " in answer.stdout


def test_every_subcommand_is_there_and_answers_help() -> None:
    for name in cli.SUBCOMMANDS:
        command = cli.fedmeta.get_command(click.Context(cli.fedmeta), name)
        assert command is not None
        assert command.name == name


def options(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[str, str, click.Option]]:
    """Of the command and all below it: the variable that the README promises, the one that click would take
    by itself, and the option."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from options(below, (*names, name))
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden and option.name != "version":
            form = (
                "_".join((*names, word)).upper().replace("-", "_") for word in (longest(option), option.name)
            )
            promised, automatic = form
            yield promised, automatic, option


def longest(option: click.Option) -> str:
    return max(option.opts, key=len).removeprefix("--")


def test_every_option_can_be_an_environment_variable() -> None:
    shared = ("FEDMETA_DATA_DIR", "FEDMETA_RUN_DIR", "FEDMETA_KEYS")
    for promised, automatic, option in options(cli.fedmeta, ("fedmeta",)):
        assert promised in (automatic, option.envvar) or option.envvar in shared, promised


def test_version_is_that_of_the_distribution() -> None:
    assert fedmeta("--version").stdout == "fedmeta, version 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "No such command 'fly'"),
        (["inspect", "--wings"], "No such option"),
        (["inspect", "--round", "many"], "'many' is not a valid integer"),
        (["--wings"], "No such option"),
        (["run", "no_such_scenario"], "no_such_scenario: no such scenario file"),
        (["run"], "name a scenario"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments: list[str], says: str) -> None:
    answer = fedmeta(*arguments)
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert len(answer.stderr.splitlines()) == 1
    assert says in answer.stderr


def test_a_run_directory_that_cannot_be_made_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("deploy.run.check_scenario", lambda *_: None)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as exit_:
        cli.main(["run", "one_shot_attack", "--run-dir", str(tmp_path / "file" / "run")])
    assert exit_.value.code == 2
    assert capsys.readouterr().err == (
        f"fedmeta: {tmp_path}/file/run: cannot use this run directory: Not a directory; choose another, or "
        "make it yours\n"
    )


def raising(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("run", callback=fail)


@pytest.mark.parametrize(
    ("error", "exit_code", "stderr"),
    [
        (UsageProblem("a.toml: no such file"), 2, "fedmeta: a.toml: no such file\n"),
        (RunFailed("the disk\nis full"), 3, "fedmeta: the disk is full\n"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
        (FileNotFoundError(2, "No such file", "x/y"), 3, "fedmeta: x/y: No such file\n"),
        (KeyError("oops"), 3, "fedmeta: a bug in fedmeta: KeyError: 'oops' (--debug shows where)\n"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException, exit_code: int, stderr: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: raising(error))
    if isinstance(error, BrokenPipeError):
        monkeypatch.setattr(cli, "_quiet", lambda: 0)  # it closes the real standard output
    with pytest.raises(SystemExit) as exit_:
        cli.main(["run"])
    assert exit_.value.code == exit_code
    assert capsys.readouterr().err == stderr


def test_debug_shows_the_traceback_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: raising(RunFailed("no")))
    with pytest.raises(SystemExit):
        cli.main(["--debug", "run"])
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("\nfedmeta: no\n")


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "{run}"], ["inspect", "{run}", "--json"]])
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("\n".join(WHOLE_RUN) + "\n")
    command = [argument.format(run=tmp_path) for argument in arguments]
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
