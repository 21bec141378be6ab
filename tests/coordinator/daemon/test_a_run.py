"""The daemon as a process, with scripted participants on loopback."""

import os
from pathlib import Path

from coordinator.aggregation import UpdateSum
from coordinator.checkpoints import CheckpointStore
from protocol.manifest import Parameters
from protocol.messages import Evaluate, EvaluationReport, Shutdown, Train
from protocol.scenario import Evaluation, Model
from tests.coordinator import tiny
from tests.coordinator.daemon.playing import NAMES, Context, completed, digests, enter, finish, stored
from tests.coordinator.processes import DaemonProcess, Participant, train_all


class TestARun:
    def test_goes_through_all_rounds_and_says_goodbye(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=3), tmp_path / "run")
        goodbyes: list[Shutdown] = []
        participants = enter(context, daemon, *NAMES)
        train_all(participants, until=lambda: len(goodbyes) == 4, goodbye=goodbyes.append)
        assert {message.reason for message in goodbyes} == {"the run is complete"}
        assert not any(message.failed for message in goodbyes)
        assert daemon.end()[0] == 0
        assert daemon.await_line("run_completed")["rounds"] == 3

    def test_waits_idly_for_the_last_to_leave_whoever_comes_meanwhile(
        self, tmp_path: Path, context: Context
    ) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=1), tmp_path / "run")
        endpoint = daemon.endpoint
        participants = enter(context, daemon, *NAMES)
        for participant in participants:
            participant.train(participant.expect(Train))
        daemon.await_line("run_completed")
        before = after = cpu_s(daemon)
        late = Participant(context, endpoint, "late")
        while daemon.process.poll() is None:
            after = cpu_s(daemon) or after
            late.socket.raw.poll(100)
        assert after - before < 1
        assert daemon.end()[0] == 0

    def test_leaves_what_a_reader_relies_on(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=3), tmp_path / "run")
        finish(daemon, enter(context, daemon, *NAMES))
        journal = daemon.journal()
        run = journal[0]["run"]
        assert all(line["run"] == run and {"timestamp", "level"} <= line.keys() for line in journal)
        first = daemon.await_line("run_started")
        assert first["endpoint"].startswith("tcp://127.0.0.1:")
        assert (first["seed"], first["rounds"], first["parameters"]) == (1, 3, 8)
        assert first["versions"].keys() == {"fedmeta", "protocol", "python"}
        last = daemon.await_line("round_completed", round=3)
        assert (last["received"], last["rejected"]) == (4, 0)
        assert last["bytes_in"] >= 4 * 40
        assert last["bytes_out"] >= 4 * 40
        assert last["longest_pause_s"] > 0
        assert last["longest_pause_busy_s"] > 0
        assert last["model_digest"] == daemon.await_line("run_completed")["model_digest"]
        files = {path.name for path in (tmp_path / "run").rglob("*.*")}
        assert files >= {"journal.jsonl", "scenario.toml", "split.json"}
        assert files >= {"round-000003.json", "round-000003.safetensors"}
        assert not any(name.endswith(".tmp") for name in files)

    def test_the_journal_tells_what_follows_a_round_after_it(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=3), tmp_path / "run")
        finish(daemon, enter(context, daemon, *NAMES))
        told = [
            (line["event"], line.get("round", line.get("rounds")))
            for line in daemon.journal()
            if line["event"] in ("round_started", "round_completed", "run_completed")
        ]
        by_round = [[("round_started", number), ("round_completed", number)] for number in (1, 2, 3)]
        assert told == [*by_round[0], *by_round[1], *by_round[2], ("run_completed", 3)]

    def test_the_model_on_disk_is_the_mean_of_the_updates(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=2)
        daemon = DaemonProcess(scenario, tmp_path / "run")
        finish(daemon, enter(context, daemon, *NAMES))
        model = tiny.initial_parameters(scenario)
        for number in (1, 2):
            total = UpdateSum(tiny.MANIFEST)
            for name in NAMES:
                total.add(tiny.update(name, number))
            model = total.step(model, scenario.federation.server_rate.at(number))
        found, _ = CheckpointStore(tmp_path / "run" / "checkpoints", lambda _: True).newest()
        assert found is not None
        assert found.model.digest() == model.digest()

    def test_an_auditor_gets_the_models_of_due_rounds(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=4).model_copy(update={"evaluation": Evaluation(every=2)})
        daemon = DaemonProcess(scenario, tmp_path / "run")
        auditor = Participant(context, daemon.endpoint, "aud", auditor=True).join().ready()
        seen: dict[int, str] = {}

        def measure(participant: Participant, order: Evaluate, model: Parameters) -> None:
            seen[order.round] = model.digest()
            run = participant.run
            participant.send(EvaluationReport(run=run, round=order.round, seconds=1.0, measurements=()))

        participants = enter(context, daemon, *NAMES)
        # The auditor is asleep until the last round is over: it gets models that are only on disk by then.
        train_all(participants, until=lambda: completed(daemon, 4))
        train_all([auditor, *participants], until=lambda: daemon.process.poll() is not None, evaluate=measure)
        by_round = digests(daemon.journal())
        assert seen == {
            0: tiny.initial_parameters(scenario).digest(), 2: by_round[1], 4: by_round[3],
        }  # fmt: skip

    def test_where_nothing_is_shared_goes_through_its_rounds_all_the_same(
        self, tmp_path: Path, context: Context
    ) -> None:
        scenario = tiny.scenario(rounds=3, checkpoint_every=1)
        scenario = scenario.model_copy(update={"model": Model(shared=0)})
        killed = DaemonProcess(scenario, tmp_path / "run")
        train_all(enter(context, killed, *NAMES), until=lambda: stored(killed, 1), up_to=1)
        killed.process.kill()
        killed.end()
        resumed = DaemonProcess(scenario, tmp_path / "run", resume=True)
        nothing = tiny.initial_parameters(scenario)
        assert finish(resumed, enter(context, resumed, *NAMES)) == [nothing.digest()] * 3
        assert killed.journal()[0]["parameters"] == 0
        assert resumed.await_line("update_accepted")["norm"] == 0.0
        assert resumed.await_line("round_completed", round=3)["rejected"] == 0

    def test_is_measured_by_those_who_train_before_the_next_round(
        self, tmp_path: Path, context: Context
    ) -> None:
        scenario = tiny.scenario(rounds=3)
        undisturbed = DaemonProcess(scenario, tmp_path / "undisturbed")
        expected = finish(undisturbed, enter(context, undisturbed, *NAMES))
        evaluation = Evaluation(by="participants", rounds=(0, 2))
        daemon = DaemonProcess(scenario.model_copy(update={"evaluation": evaluation}), tmp_path / "run")
        seen: list[tuple[str, int, str]] = []

        def measure(participant: Participant, order: Evaluate, model: Parameters) -> None:
            assert order.share is not None
            seen.append((participant.name, order.round, model.digest()))
            report = EvaluationReport(
                run=participant.run, round=order.round, seconds=1.0, measurements=(tiny.MEASUREMENT,)
            )
            participant.send(report)

        participants = enter(context, daemon, *NAMES)
        train_all(participants, until=lambda: daemon.process.poll() is not None, evaluate=measure)
        assert daemon.end()[0] == 0
        assert digests(daemon.journal()) == expected
        models = {0: tiny.initial_parameters(scenario).digest(), 2: expected[1], 3: expected[2]}
        assert sorted(seen) == sorted(
            (name, number, digest) for name in NAMES for number, digest in models.items()
        )
        order = [(line["event"], line["round"]) for line in daemon.journal() if "round" in line]
        assert order.index(("round_started", 1)) > last(order, ("evaluated", 0))
        assert order.index(("round_started", 3)) > last(order, ("evaluated", 2))
        measured = daemon.await_line("evaluated", round=3, auditor="dee")
        assert measured["main_accuracy"] == {"mean": 0.5, "ci95": 0.1, "episodes": 10}
        assert measured["difference"] is None


def cpu_s(daemon: DaemonProcess) -> float:
    """What it has used so far; 0 once it has ended."""
    said = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")


def last(lines: list[tuple[str, int]], line: tuple[str, int]) -> int:
    """Where it stands for the last time."""
    return max(at for at, other in enumerate(lines) if other == line)
