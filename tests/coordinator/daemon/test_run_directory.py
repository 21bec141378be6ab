"""What the daemon finds and leaves in its run directory."""

import json
from pathlib import Path

from tests.coordinator import tiny
from tests.coordinator.daemon.playing import NAMES, Context, enter, finish
from tests.coordinator.processes import DaemonProcess


class TestTheRunDirectory:
    def test_with_a_run_in_it_is_not_overwritten(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=1)
        daemon = DaemonProcess(scenario, tmp_path / "run")
        finish(daemon, enter(context, daemon, *NAMES))
        before = (tmp_path / "run" / "journal.jsonl").read_text()
        code, said = DaemonProcess(scenario, tmp_path / "run").end()
        assert code == 2
        assert "holds a run already" in said
        assert "--resume" in said
        assert (tmp_path / "run" / "journal.jsonl").read_text() == before

    def test_belongs_to_one_coordinator(self, tmp_path: Path) -> None:
        daemon = DaemonProcess(tiny.scenario(), tmp_path / "run")
        daemon.await_line("run_started")
        code, said = DaemonProcess(tiny.scenario(), tmp_path / "run", resume=True).end()
        assert code == 2
        assert "another coordinator is running here" in said
        daemon.process.terminate()
        daemon.end()

    def test_of_another_version_of_fedmeta_is_not_gone_on_with(
        self, tmp_path: Path, context: Context
    ) -> None:
        scenario = tiny.scenario(rounds=1)
        daemon = DaemonProcess(scenario, tmp_path / "run")
        finish(daemon, enter(context, daemon, *NAMES))
        for path in (tmp_path / "run" / "checkpoints").glob("*.json"):
            record = json.loads(path.read_text())
            del record["version"]
            record["state"]["evaluations"] = [1]
            path.write_text(json.dumps(record))
        code, said = DaemonProcess(scenario, tmp_path / "run", resume=True).end()
        assert code == 3
        assert said.splitlines() == [
            f"{tmp_path}/run/checkpoints: no checkpoint can be used (round-000001.json: written by another "
            "version of fedmeta); start anew"
        ]

    def test_without_a_run_cannot_be_resumed(self, tmp_path: Path) -> None:
        code, said = DaemonProcess(tiny.scenario(), tmp_path / "run", resume=True).end()
        assert code == 2
        assert "holds no run" in said

    def test_is_resumed_only_with_its_own_scenario(self, tmp_path: Path) -> None:
        daemon = DaemonProcess(tiny.scenario(), tmp_path / "run")
        daemon.await_line("run_waiting")
        daemon.process.terminate()
        daemon.end()
        code, said = DaemonProcess(tiny.scenario(seed=2), tmp_path / "run", resume=True).end()
        assert code == 2
        assert "another federation.seed (1, not 2)" in said

    def test_of_a_completed_run_has_nothing_left_to_do(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=1)
        daemon = DaemonProcess(scenario, tmp_path / "run")
        finish(daemon, enter(context, daemon, *NAMES))
        before = daemon.journal()
        code, said = DaemonProcess(scenario, tmp_path / "run", resume=True).end()
        assert (code, len(said.splitlines())) == (0, 1)
        assert f"{tmp_path}/run: the run is complete" in said
        assert daemon.journal() == before

    def test_of_a_run_killed_before_it_could_say_that_it_is_complete_says_so(
        self, tmp_path: Path, context: Context
    ) -> None:
        scenario = tiny.scenario(rounds=1)
        daemon = DaemonProcess(scenario, tmp_path / "run")
        finish(daemon, enter(context, daemon, *NAMES))
        *before, completed = (tmp_path / "run" / "journal.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "run" / "journal.jsonl").write_text("".join([*before, completed[:20]]))
        half_written = tmp_path / "run" / "checkpoints" / ".round-000001.json.tmp"
        half_written.write_text("{")
        resumed = DaemonProcess(scenario, tmp_path / "run", resume=True)
        assert resumed.end()[0] == 0
        last = json.loads((tmp_path / "run" / "journal.jsonl").read_text().splitlines()[-1])
        assert last["event"] == "run_completed"
        assert last["model_digest"] == json.loads(completed)["model_digest"]
        assert not half_written.exists()
