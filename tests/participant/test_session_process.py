"""The participant as a process of its own: what only a process has, signals, a parent, exit codes, stderr."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from protocol.messages import Join, Leave, Shutdown
from tests.participant.examples import RUN, model, train, welcome
from tests.participant.scripted import DEADLINE_S, ScriptedCoordinator

pytestmark = pytest.mark.system

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def coordinator() -> Iterator[ScriptedCoordinator]:
    with ScriptedCoordinator() as scripted:
        yield scripted


class Participant:
    def __init__(self, coordinator: ScriptedCoordinator, name: str, *more: str) -> None:
        command = [sys.executable, "-m", "tests.participant.fake_participant"]
        options = ["--coordinator", coordinator.endpoint, "--name", name, "--role", "benign", *more]
        self.process = subprocess.Popen(
            [*command, *options],
            cwd=REPOSITORY,
            env={**os.environ, "NO_COLOR": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Participant":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> tuple[int, str]:
        """Its exit code and what it wrote to stderr."""
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        assert "Traceback" not in errors
        return self.process.returncode, errors


def begin_training(coordinator: ScriptedCoordinator) -> None:
    coordinator.welcome_it()
    coordinator.send(train(), model())


@contextmanager
def closing_process(pid: int) -> Iterator[None]:
    """For a process that is no child of ours: whatever happens, it does not outlive the test."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_of_training_makes_it_leave(
    coordinator: ScriptedCoordinator, number: signal.Signals, code: int
) -> None:
    with Participant(coordinator, "busy") as participant:
        begin_training(coordinator)
        participant.process.send_signal(number)
        coordinator.expect(Leave)
        assert participant.end()[0] == code


def test_a_second_signal_ends_it_at_once_whatever_it_does(coordinator: ScriptedCoordinator) -> None:
    with Participant(coordinator, "stubborn") as participant:
        begin_training(coordinator)
        participant.process.send_signal(signal.SIGTERM)
        coordinator.expect(Leave)
        participant.process.send_signal(signal.SIGTERM)
        assert participant.end()[0] == 130


def test_a_signal_before_there_is_a_coordinator_ends_it(coordinator: ScriptedCoordinator) -> None:
    with Participant(coordinator, "ann") as participant:
        coordinator.expect(Join)
        participant.process.send_signal(signal.SIGTERM)
        assert participant.end()[0] == 0


def test_the_end_of_the_run_is_the_end_of_the_process_and_its_log_says_what_it_did(
    coordinator: ScriptedCoordinator, tmp_path: Path
) -> None:
    log = tmp_path / "ann.jsonl"
    with Participant(coordinator, "ann", "--log", str(log)) as participant:
        coordinator.welcome_it()
        coordinator.send(Shutdown(run=RUN, failed=False, reason="completed"))
        code, errors = participant.end()
    assert code == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["participant_started", "joined", "prepared", "run_over"]
    assert {line["participant"] for line in lines} == {"ann"}
    assert "prepared" in errors


def test_a_failed_run_is_its_last_line(coordinator: ScriptedCoordinator) -> None:
    with Participant(coordinator, "ann") as participant:
        coordinator.welcome_it()
        coordinator.send(Shutdown(run=RUN, failed=True, reason="the disk is full"))
        code, errors = participant.end()
    assert code == 3
    assert errors.splitlines()[-1] == "fedmeta: the run failed: the disk is full"


def test_it_ends_when_the_process_that_started_it_has_gone(coordinator: ScriptedCoordinator) -> None:
    command = " ".join([sys.executable, "-m", "tests.participant.fake_participant", "--parent $$"])
    options = f"--coordinator {coordinator.endpoint} --name ann --role benign"
    shell = subprocess.Popen(
        ["sh", "-c", f"{command} {options} & echo $!; wait"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert shell.stdout is not None
    with closing_process(int(shell.stdout.readline())):
        coordinator.welcome_it()
        shell.kill()
        shell.communicate()
        assert coordinator.expect(Leave).reason == "its parent has ended"


def test_a_killed_participant_comes_back_under_its_name(coordinator: ScriptedCoordinator) -> None:
    with Participant(coordinator, "busy") as participant:
        begin_training(coordinator)
        participant.process.kill()
    with Participant(coordinator, "busy") as participant:
        begin_training(coordinator)
        participant.process.send_signal(signal.SIGTERM)
        assert participant.end()[0] == 0


def test_a_suspended_participant_comes_back_by_itself(coordinator: ScriptedCoordinator) -> None:
    with Participant(coordinator, "ann") as participant:
        coordinator.welcome_it(welcome(heartbeat_s=0.05, liveness_s=0.2))
        participant.process.send_signal(signal.SIGSTOP)
        os.waitpid(participant.process.pid, os.WUNTRACED)
        coordinator.silent = True
        participant.process.send_signal(signal.SIGCONT)
        coordinator.expect(Join)
