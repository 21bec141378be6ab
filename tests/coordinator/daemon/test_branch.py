"""A run that begins with another run's model."""

from pathlib import Path

import pytest

from protocol.messages import Refuse
from protocol.scenario import Evaluation
from tests.coordinator import tiny
from tests.coordinator.daemon.playing import NAMES, Context, enter, finish
from tests.coordinator.processes import DaemonProcess, Participant


class TestABranch:
    """A new run that begins with the model of another one."""

    def test_goes_through_the_remaining_rounds_as_the_run_would_have(
        self, tmp_path: Path, context: Context
    ) -> None:
        scenario = tiny.scenario(rounds=6, selected=3, server_rate={"decay_rounds": 5})
        scenario = scenario.model_copy(update={"evaluation": Evaluation(rounds=(3,), deadline_s=0.1)})
        whole = DaemonProcess(scenario, tmp_path / "whole")
        expected = finish(whole, enter(context, whole, *NAMES))
        branch = DaemonProcess(scenario, tmp_path / "branch", origin=f"{tmp_path}/whole:3")
        assert finish(branch, enter(context, branch, *reversed(NAMES))) == expected[3:]
        first, stored_first, *_ = branch.journal()
        assert first["run"] != whole.journal()[0]["run"]
        path = f"{tmp_path}/whole/checkpoints/round-000003.safetensors"
        assert (first["event"], first["round"], first["started_from"]) == ("run_started", 3, path)
        assert first["model_digest"] == expected[2]
        assert (stored_first["event"], stored_first["round"]) == ("checkpoint_written", 3)
        assert branch.await_line("evaluation_skipped", round=3)  # due there, and no auditor in this test
        (before,) = [line for line in whole.journal() if line["event"] == "run_started"]
        assert (before["round"], before["started_from"]) == (0, None)

    def test_that_was_killed_goes_on_from_its_own_checkpoints(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=6)
        scenario = scenario.model_copy(update={"evaluation": Evaluation(rounds=(4,))})
        whole = DaemonProcess(scenario, tmp_path / "whole")
        expected = finish(whole, enter(context, whole, *NAMES))
        killed = DaemonProcess(scenario, tmp_path / "branch", origin=f"{tmp_path}/whole:4")
        enter(context, killed, *NAMES)
        killed.await_line("round_started", round=5)
        killed.process.kill()
        killed.end()
        resumed = DaemonProcess(scenario, tmp_path / "branch", resume=True)
        assert resumed.await_line("run_resumed")["round"] == 4
        assert finish(resumed, enter(context, resumed, *NAMES)) == expected[4:]

    def test_expects_the_class_split_of_the_other_run(self, tmp_path: Path, context: Context) -> None:
        whole = DaemonProcess(tiny.scenario(rounds=2), tmp_path / "whole")
        finish(whole, enter(context, whole, *NAMES))
        # With no round left to do it would end before anybody came.
        more = tiny.scenario(rounds=3)
        branch = DaemonProcess(more, tmp_path / "branch", origin=tmp_path / "whole")
        other = tiny.SPLIT.model_copy(update={"train": ("a", "x")})
        ann = Participant(context, branch.endpoint, "ann").join().ready(other)
        assert ann.expect(Refuse).reason == "other_split"
        branch.process.terminate()
        branch.end()
        assert (tmp_path / "branch" / "split.json").exists()

    @pytest.mark.parametrize(
        ("changes", "resume", "says"),
        [
            ({"seed": 2}, False, "that run had federation.seed = 1, and this scenario has 2"),
            ({}, True, "--from begins a new run and --resume goes on with one"),
        ],
    )
    def test_that_does_not_fit_is_refused_and_leaves_nothing(
        self, tmp_path: Path, context: Context, changes: dict[str, int], resume: bool, says: str
    ) -> None:
        whole = DaemonProcess(tiny.scenario(rounds=2), tmp_path / "whole")
        finish(whole, enter(context, whole, *NAMES))
        scenario = tiny.scenario(**{"rounds": 2, **changes})
        branch = DaemonProcess(scenario, tmp_path / "branch", resume=resume, origin=tmp_path / "whole")
        code, said = branch.end()
        assert (code, len(said.splitlines())) == (2, 1)
        assert says in said
        assert not (tmp_path / "branch" / "scenario.toml").exists()
