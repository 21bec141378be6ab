"""What was killed, interrupted or stopped by a full disk goes on from what it kept."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator.checkpoints import CheckpointStore
from coordinator.daemon import Outcome
from coordinator.run_dir import RunDirectory
from coordinator.service import Settings, serve
from coordinator.state import FederationState
from protocol.manifest import Parameters
from protocol.messages import Shutdown
from tests.coordinator import tiny
from tests.coordinator.daemon.playing import NAMES, Context, completed, enter, finish, stored
from tests.coordinator.processes import DaemonProcess, train_all


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """A child of this one."""
    os.kill(process, signal.SIGSTOP)
    os.waitid(os.P_PID, process, os.WSTOPPED | os.WNOWAIT)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


class TestAKilledCoordinator:
    @pytest.mark.parametrize("aggregation", ["mean", "norm-bound", "coordinate-median"])
    def test_goes_on_to_the_same_model(self, tmp_path: Path, context: Context, aggregation: str) -> None:
        scenario = tiny.scenario(rounds=8, checkpoint_every=3, aggregation=aggregation)
        undisturbed = DaemonProcess(scenario, tmp_path / "undisturbed")
        expected = finish(undisturbed, enter(context, undisturbed, *NAMES))

        killed = DaemonProcess(scenario, tmp_path / "run")
        participants = enter(context, killed, *NAMES)
        train_all(participants, until=lambda: stored(killed, 3) and completed(killed, 5), up_to=5)
        killed.process.send_signal(signal.SIGKILL)
        killed.end()
        resumed = DaemonProcess(scenario, tmp_path / "run", resume=True)
        assert resumed.await_line("run_resumed")["round"] == 3
        assert resumed.await_line("run_resumed")["run"] == killed.journal()[0]["run"]
        assert finish(resumed, enter(context, resumed, *reversed(NAMES))) == expected

    def test_before_its_first_checkpoint_it_begins_again(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=2)
        killed = DaemonProcess(scenario, tmp_path / "run")
        enter(context, killed, *NAMES)
        killed.await_line("round_started")
        killed.process.kill()
        killed.end()
        resumed = DaemonProcess(scenario, tmp_path / "run", resume=True)
        assert len(finish(resumed, enter(context, resumed, *NAMES))) == 2

    def test_a_damaged_checkpoint_falls_back_to_the_one_before(
        self, tmp_path: Path, context: Context
    ) -> None:
        scenario = tiny.scenario(rounds=8, checkpoint_every=2)
        undisturbed = DaemonProcess(scenario, tmp_path / "undisturbed")
        expected = finish(undisturbed, enter(context, undisturbed, *NAMES))

        killed = DaemonProcess(scenario, tmp_path / "run")
        train_all(enter(context, killed, *NAMES), until=lambda: stored(killed, 4), up_to=5)
        killed.process.kill()
        killed.end()
        newest = max((tmp_path / "run" / "checkpoints").glob("*.json"))
        os.truncate(newest.with_suffix(".safetensors"), 20)
        resumed = DaemonProcess(scenario, tmp_path / "run", resume=True)
        assert newest.stem in resumed.await_line("checkpoint_damaged")["path"]
        assert finish(resumed, enter(context, resumed, *NAMES)) == expected

    def test_after_its_last_checkpoint_says_that_it_has_completed(
        self, tmp_path: Path, context: Context
    ) -> None:
        scenario = tiny.scenario(rounds=2)
        whole = DaemonProcess(scenario, tmp_path / "run")
        finish(whole, enter(context, whole, *NAMES))
        journal = tmp_path / "run" / "journal.jsonl"
        before = journal.read_text().splitlines(keepends=True)
        last = next(at for at, line in enumerate(before) if '"run_completed"' in line)
        journal.write_text("".join(before[:last]))
        for _ in range(2):  # and says it once
            resumed = DaemonProcess(scenario, tmp_path / "run", resume=True)
            assert resumed.end()[0] == 0
            *others, line = resumed.journal()
            assert line["event"] == "run_completed"
            assert line["model_digest"] == json.loads(before[last])["model_digest"]
            assert len(others) == last

    def test_participants_find_it_again_on_the_same_port(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=200, checkpoint_every=1)
        killed = DaemonProcess(scenario, tmp_path / "run")
        endpoint = killed.endpoint
        participants = enter(context, killed, *NAMES)
        train_all(participants, until=lambda: stored(killed, 2), up_to=3)
        killed.process.kill()
        killed.end()
        resumed = DaemonProcess(scenario, tmp_path / "run", resume=True, bind=endpoint)
        for participant in participants:
            participant.come_back()
        assert len(finish(resumed, participants)) == 200


class TestAnInterruptedCoordinator:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stores_the_last_completed_round_and_ends_with_130(
        self, tmp_path: Path, context: Context, number: signal.Signals
    ) -> None:
        scenario = tiny.scenario(rounds=500, checkpoint_every=1000)
        daemon = DaemonProcess(scenario, tmp_path / "run")
        participants = enter(context, daemon, *NAMES)
        train_all(participants, until=lambda: completed(daemon, 3))
        daemon.process.send_signal(number)
        code, said = daemon.end()
        assert code == 130
        assert "Traceback" not in said
        line = daemon.await_line("run_interrupted")
        assert line["reason"] == number.name
        assert daemon.await_line("checkpoint_written", round=line["round"])
        resumed = DaemonProcess(scenario, tmp_path / "run", resume=True)
        assert resumed.await_line("run_resumed")["round"] == line["round"]
        resumed.process.terminate()
        resumed.end()

    def test_that_was_writing_its_last_checkpoint_has_completed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scenario = tiny.scenario(rounds=1)
        directory = RunDirectory(tmp_path / "run")
        directory.claim(scenario)
        shares = {name: at for at, name in enumerate(NAMES)}
        over = FederationState(run="0" * 16, round=1, roster=tuple(NAMES), shares=shares)
        CheckpointStore(directory.checkpoints, lambda _: True).write(over, tiny.parameters_of(1.0))
        write, interrupts = CheckpointStore.write, [signal.SIGTERM]

        def interrupted(store: CheckpointStore, state: FederationState, model: Parameters) -> Path:
            while interrupts:
                os.kill(os.getpid(), interrupts.pop())
            return write(store, state, model)

        monkeypatch.setattr(CheckpointStore, "write", interrupted)
        settings = Settings(scenario, "tiny", "tcp://127.0.0.1:*", directory.path, resume=True, console=False)
        assert serve(settings, tiny.initial_parameters) is Outcome.COMPLETED
        assert not interrupts
        events = [json.loads(line)["event"] for line in directory.journal.read_text().splitlines()]
        assert events[-1] == "run_completed"

    def test_sends_no_shutdown(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(), tmp_path / "run")
        (ann,) = enter(context, daemon, "ann")
        daemon.await_line("participant_ready")
        daemon.process.terminate()
        assert daemon.end()[0] == 130
        assert ann.socket.receive() is None


class TestAFullDisk:
    def test_that_takes_no_more_journal_ends_the_run_with_one_line(
        self, tmp_path: Path, context: Context
    ) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=500), tmp_path / "run", largest_file=6000)
        participants = enter(context, daemon, *NAMES)
        train_all(participants, until=lambda: daemon.process.poll() is not None)
        code, said = daemon.end()
        assert code == 3
        assert "journal.jsonl: cannot write" in said.splitlines()[-1]
        assert "Traceback" not in said

    def test_that_takes_no_more_checkpoints_tells_everybody(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=500, checkpoint_every=5), tmp_path / "run")
        participants = enter(context, daemon, *NAMES)
        train_all(participants, until=lambda: stored(daemon, 5))
        checkpoints = tmp_path / "run" / "checkpoints"
        with stopped(daemon.process.pid):  # it would make the directory again in between
            checkpoints.rename(tmp_path / "aside")
            checkpoints.write_text("not a directory")
        failed: list[Shutdown] = []
        train_all(participants, until=lambda: daemon.process.poll() is not None, goodbye=failed.append)
        code, said = daemon.end()
        assert code == 3
        assert "cannot write" in said.splitlines()[-1]
        assert "--resume" in said.splitlines()[-1]
        assert daemon.await_line("run_failed")["reason"] == said.splitlines()[-1]
        assert failed
        assert all(message.failed for message in failed)
