"""The launcher's loop, with small scripts in the place of coordinator and participants."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from coordinator.reading.fold import Reading
from coordinator.reading.follow import JournalTail
from coordinator.reading.progress import PlainProgress
from deploy.children import Bell, Child
from deploy.plan import COORDINATOR, LocalRun, cast_roles
from deploy.supervise import CHECKPOINT_S, MAX_RESTARTS, Interrupted, Supervisor, Verdict, judge
from protocol.errors import RunFailed
from tests.coordinator.reading.example import line, round_lines

# What the scripts share: a journal to write to, waiting for a file to appear, and a marker of being there.
PRELUDE = """
import os, signal, sys, time
from pathlib import Path
here = Path({here!r})
def log(text):
    with (here / "journal.jsonl").open("a") as file: file.write(text + "\\n")
def wait_for(name):
    while not (here / name).exists(): time.sleep(0.005)
def times(name):
    with (here / name).open("a") as file: file.write("x")
    return len((here / name).read_text())
def fail(text, code=3):
    print("fedmeta: " + text, file=sys.stderr); sys.exit(code)
"""
STARTED = line("run_started", endpoint="tcp://127.0.0.1:5555")
RESUMED = line("run_resumed", round=1, endpoint="tcp://127.0.0.1:5555")
COMPLETED = line("run_completed")
FOREVER = "times(name + '.there'); wait_for('over')"
COMPLETE = f"log({COMPLETED!r}); times('over')"


class Script:
    """A process of its own, as a launcher sees its children."""

    def __init__(self, code: str, stderr: Path) -> None:
        with stderr.open("ab") as errors:
            self._popen = subprocess.Popen(
                (sys.executable, "-S", "-c", code), stdout=errors, stderr=errors, process_group=0
            )

    def poll(self) -> int | None:
        return self._popen.poll()

    def send_signal(self, number: signal.Signals, /) -> None:
        self._popen.send_signal(number)

    def kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


class Stage:
    """Scripts by name of the process; each knows its own ``name``."""

    def __init__(self, folder: Path, bell: Bell) -> None:
        self.folder = folder
        self.bell = bell
        self.scripts: dict[str, str] = {
            "participant-1": FOREVER,
            "participant-2": FOREVER,
            "auditor": FOREVER,
        }
        self.started: list[tuple[str, list[str]]] = []
        self.children: list[Child] = []
        self.output = io.StringIO()

    def start(self, name: str, arguments: list[str], stderr: Path) -> Child:
        self.started.append((name, arguments))
        code = PRELUDE.format(here=str(self.folder)) + f"name = {name!r}\n" + self.scripts[name]
        stderr.parent.mkdir(exist_ok=True)
        child = Child(name, Script(code, stderr), stderr)
        self.children.append(child)
        return child

    def run(self) -> None:
        local = LocalRun(
            scenario=Path("x.toml"), overrides=(), run_dir=self.folder, data_dir=None, device="cpu",
            roles=cast_roles(2, 0), parent=os.getpid(), debug=False,
        )  # fmt: skip
        Supervisor(
            local,
            min_updates=2,
            tail=JournalTail(local.journal),
            reading=Reading(),
            progress=PlainProgress(Console(file=self.output, width=200), None),
            bell=self.bell,
            start=self.start,
        ).supervise(resume=False)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Bell.hung() as bell:
        stage = Stage(tmp_path, bell)
        yield stage
    for child in stage.children:
        assert child.exit_code is not None, f"{child.name} is left"


def test_participants_are_started_once_the_coordinator_says_where_it_listens(stage: Stage) -> None:
    there = "; ".join(f"wait_for('{name}.there')" for name in stage.scripts)
    stage.scripts[COORDINATOR] = f"log({STARTED!r}); {there}; {COMPLETE}"
    stage.run()
    assert [name for name, _ in stage.started] == [COORDINATOR, "participant-1", "participant-2", "auditor"]
    assert "tcp://127.0.0.1:5555" in stage.started[1][1]
    assert "run completed" in stage.output.getvalue()


def test_a_participant_that_was_killed_is_started_again_under_its_name(stage: Stage) -> None:
    stage.scripts["participant-1"] = (
        "if times('starts') == 1: os.kill(os.getpid(), signal.SIGKILL)\ntimes('again'); wait_for('over')"
    )
    stage.scripts[COORDINATOR] = f"log({STARTED!r}); wait_for('again'); {COMPLETE}"
    stage.run()
    assert [name for name, _ in stage.started].count("participant-1") == 2
    assert "participant-1 was killed (SIGKILL) and is started again" in stage.output.getvalue()


def test_a_killed_coordinator_goes_on_where_the_participants_look_for_it(stage: Stage) -> None:
    stage.scripts[COORDINATOR] = (
        f"if times('starts') == 1: log({STARTED!r}); wait_for('auditor.there'); os.kill(os.getpid(), 9)\n"
        f"log({RESUMED!r}); {COMPLETE}"
    )
    stage.run()
    again = [arguments for name, arguments in stage.started if name == COORDINATOR][1]
    assert again[again.index("--bind") + 1] == "tcp://127.0.0.1:5555"
    assert "--resume" in again
    assert len(stage.started) == 5


@pytest.mark.parametrize("stored", [False, True])
def test_one_killed_before_it_listened_begins_again_unless_it_has_stored_where_it_begins(
    stage: Stage, stored: bool
) -> None:
    store = "(here / 'checkpoints').mkdir(); (here / 'checkpoints/round-000004.json').touch()\n"
    stage.scripts[COORDINATOR] = (
        f"if times('starts') == 1:\n    {store if stored else ''}\n    os.kill(os.getpid(), 9)\n"
        f"log({STARTED!r}); {COMPLETE}"
    )
    stage.run()
    again = [arguments for name, arguments in stage.started if name == COORDINATOR][1]
    assert ("--resume" in again) == stored


def test_what_is_killed_again_and_again_fails_the_run(stage: Stage) -> None:
    stage.scripts["participant-2"] = "os.kill(os.getpid(), signal.SIGKILL)"
    stage.scripts[COORDINATOR] = f"log({STARTED!r}); signal.pause()"
    with pytest.raises(RunFailed, match=r"participant-2 was killed \(SIGKILL\) 6 times without a round"):
        stage.run()


def test_restarts_count_from_the_last_round(stage: Stage) -> None:
    completed = round_lines(1)[-1]
    stage.scripts["participant-2"] = (
        "if times('starts') > 8: times('enough'); wait_for('over'); sys.exit()\n"
        f"log({completed!r}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    stage.scripts[COORDINATOR] = f"log({STARTED!r}); wait_for('enough'); {COMPLETE}"
    stage.run()
    assert [name for name, _ in stage.started].count("participant-2") == 9


def test_a_participant_that_fails_fails_the_run_with_its_last_line(stage: Stage) -> None:
    stage.scripts["participant-2"] = "print('a log line', file=sys.stderr); fail('out of memory')"
    stage.scripts[COORDINATOR] = (
        "signal.signal(signal.SIGINT, lambda *_: (times('checkpoint'), sys.exit(130)))\n"
        f"log({STARTED!r}); signal.pause()"
    )
    with pytest.raises(RunFailed, match=r"^participant-2: out of memory$"):
        stage.run()
    assert (stage.folder / "checkpoint").exists()


def test_the_coordinators_reason_comes_before_what_follows_from_it(stage: Stage) -> None:
    failed = line("run_failed", round=1, reason="the disk is full")
    stage.scripts[COORDINATOR] = f"log({STARTED!r}); log({failed!r}); wait_for('p'); fail('the disk is full')"
    stage.scripts["participant-1"] = "times('p'); fail('the coordinator failed')"
    with pytest.raises(RunFailed, match=r"^the disk is full$"):
        stage.run()


def test_a_full_disk_on_which_nobody_can_say_so_is_the_reason(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.scripts[COORDINATOR] = f"log({STARTED!r}); wait_for('p'); fail('/run/journ')"
    stage.scripts["participant-1"] = "times('p'); fail('the coord')"
    full = SimpleNamespace(free=4096)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full if path == stage.folder else None)
    with pytest.raises(RunFailed, match=r"^no space is left in .*: make room, then .* --resume .*: .*\)$"):
        stage.run()


def test_a_coordinator_that_cannot_start_fails_the_run(stage: Stage) -> None:
    stage.scripts[COORDINATOR] = "fail('no such address', 2)"
    with pytest.raises(RunFailed, match=r"^no such address$"):
        stage.run()
    assert len(stage.started) == 1


def test_too_few_participants_left_fail_the_run(stage: Stage) -> None:
    stage.scripts["participant-1"] = ""
    stage.scripts[COORDINATOR] = f"log({STARTED!r}); signal.pause()"
    with pytest.raises(RunFailed, match="participant-1 has left; only 1 participants remain"):
        stage.run()


def test_an_interrupt_lets_the_coordinator_store_before_the_participants_go(stage: Stage) -> None:
    checkpoint = line("checkpoint_written", round=1)
    stage.scripts["participant-1"] = (
        "signal.signal(signal.SIGTERM, lambda *_: (times('left'), sys.exit(0)))\n" + FOREVER
    )
    stage.scripts[COORDINATOR] = (
        "def stop(*_):\n"
        "    assert not (here / 'left').exists()\n"
        f"    log({checkpoint!r}); sys.exit(130)\n"
        "signal.signal(signal.SIGINT, stop)\n"
        f"log({STARTED!r}); log({round_lines(1)[-1]!r})\n"
        "wait_for('participant-1.there'); os.kill(os.getppid(), signal.SIGINT); signal.pause()"
    )
    with pytest.raises(Interrupted, match="interrupted after round 1; go on from the checkpoint of round 1"):
        stage.run()
    assert (stage.folder / "left").exists()


def test_a_second_interrupt_kills_what_does_not_answer(stage: Stage) -> None:
    stage.scripts[COORDINATOR] = (
        "signal.signal(signal.SIGINT, lambda *_: os.kill(os.getppid(), signal.SIGINT))\n"
        f"log({STARTED!r}); os.kill(os.getppid(), signal.SIGINT)\n"
        "while True: signal.pause()"
    )
    stage.scripts["participant-1"] = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + FOREVER
    with pytest.raises(Interrupted, match="killed before the first round; there is no checkpoint"):
        stage.run()


class Impatient(io.StringIO):
    """Interrupts again while it is still being told how."""

    def write(self, text: str) -> int:
        if "Ctrl-C again kills it" in text:
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


def test_a_second_interrupt_at_once_counts_as_well(stage: Stage) -> None:
    stage.output = Impatient()
    stage.scripts[COORDINATOR] = (
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"log({STARTED!r}); os.kill(os.getppid(), signal.SIGINT)\n"
        "while True: signal.pause()"
    )
    began = time.monotonic()
    with pytest.raises(Interrupted, match="killed before the first round"):
        stage.run()
    assert time.monotonic() - began < CHECKPOINT_S / 2


def test_what_the_end_of_a_process_means() -> None:
    assert judge(-signal.SIGKILL, 0) is Verdict.RESTART
    assert judge(-signal.SIGSEGV, MAX_RESTARTS) is Verdict.GIVE_UP
    assert judge(0, 0) is Verdict.LEFT
    assert judge(130, 0) is Verdict.LEFT
    assert judge(2, 0) is Verdict.FAILED
    assert judge(3, 0) is Verdict.FAILED
