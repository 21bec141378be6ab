"""The daemon as a process, with scripted participants on loopback."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from coordinator.aggregation import UpdateSum
from coordinator.checkpoints import CheckpointStore
from coordinator.daemon import Outcome
from coordinator.run_dir import RunDirectory
from coordinator.service import Settings, serve
from coordinator.state import FederationState
from protocol.codec import encode_header
from protocol.encodings import Int8
from protocol.manifest import Parameters
from protocol.messages import (
    Evaluate,
    EvaluationReport,
    Heartbeat,
    Join,
    Refuse,
    Rejected,
    Shutdown,
    Train,
    Update,
    Welcome,
)
from protocol.scenario import Evaluation, Model
from tests.coordinator import tiny
from tests.coordinator.processes import DaemonProcess, JournalLine, Participant, train_all, zmq_context

NAMES = ["ann", "bob", "cid", "dee"]
Context = zmq.Context[zmq.Socket[bytes]]


@pytest.fixture
def context() -> Iterator[Context]:
    with zmq_context() as context:
        yield context


def enter(context: Context, daemon: DaemonProcess, *names: str) -> list[Participant]:
    endpoint = daemon.endpoint
    return [Participant(context, endpoint, name).join().ready() for name in names]


def finish(daemon: DaemonProcess, participants: list[Participant]) -> list[str]:
    """Train to the end; the model digests by round."""
    train_all(participants, until=lambda: daemon.process.poll() is not None)
    code, said = daemon.end()
    assert code == 0, said
    assert "Traceback" not in said
    return digests(daemon.journal())


def digests(journal: list[JournalLine]) -> list[str]:
    by_round = {line["round"]: line["model_digest"] for line in journal if line["event"] == "round_completed"}
    return [by_round[number] for number in sorted(by_round)]


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


class TestBadInput:
    def test_never_stops_the_daemon_nor_changes_the_model(self, tmp_path: Path, context: Context) -> None:
        scenario = tiny.scenario(rounds=2)
        undisturbed = DaemonProcess(scenario, tmp_path / "undisturbed")
        expected = finish(undisturbed, enter(context, undisturbed, *NAMES))
        daemon = DaemonProcess(scenario, tmp_path / "run")
        participants = enter(context, daemon, *NAMES)
        ann = participants[0]
        order = ann.expect(Train)
        nan = tiny.parameters_of(float("nan"))
        header = Update(run=ann.run, round=1, seconds=0.1)
        for frames, reason in [
            ([b""], "malformed"),
            ([b"\xc1"], "malformed"),
            ([bytes(range(100))], "malformed"),
            (ann.frames(header)[:1], "wrong_size"),
            ([*ann.frames(header)[:2], b"123"], "wrong_size"),
            (ann.frames(header, nan), "non_finite"),
            (ann.frames(header, tiny.parameters_of(1e6)), "out_of_range"),
        ]:
            ann.send_raw(frames)
            assert ann.expect(Rejected).reason == reason
        ann.train(order)
        assert finish(daemon, participants) == expected
        line = daemon.await_line("round_completed", round=1)
        assert line["rejections"] == {"malformed": 3, "non_finite": 1, "out_of_range": 1, "wrong_size": 2}

    def test_is_found_in_updates_of_eight_bits_too(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(rounds=1, encoding="int8"), tmp_path / "run")
        participants = enter(context, daemon, *NAMES)
        encoding, header = Int8(tiny.MANIFEST), Update(run=participants[0].run, round=1, seconds=0.1)

        def framed(name: str) -> list[bytes]:
            packed = encoding.encode(tiny.update(name, 1))
            return [bytes(frame) for frame in (encode_header(header), *packed.frames())]

        ann, bob, cid, _ = participants
        for participant in participants:
            participant.expect(Train)
        head, units, rest = framed("ann")
        nan = np.array([np.nan], "<f4").tobytes()
        for sender, frames, reason in [
            (ann, ann.frames(header), "wrong_size"),
            (ann, [head, rest, units], "wrong_size"),
            (ann, [head, bytes(4) + units[4:], rest], "malformed"),
            (bob, [head, units[:-1] + b"\x80", rest], "malformed"),
            (cid, [head, nan + units[4:], rest], "non_finite"),
        ]:
            sender.send_raw(frames)
            assert sender.expect(Rejected).reason == reason
        total = UpdateSum(tiny.MANIFEST)
        for participant in participants:
            participant.send_raw(framed(participant.name))
            total.add(encoding.decode(framed(participant.name)[1:]))
        line = daemon.await_line("round_completed", round=1)
        assert line["rejections"] == {"malformed": 2, "non_finite": 1, "wrong_size": 2}
        model = tiny.initial_parameters(tiny.scenario())
        assert line["model_digest"] == total.step(model, 1.0).digest()

    def test_a_stranger_is_told_to_join(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(), tmp_path / "run")
        stranger = Participant(context, daemon.endpoint, "eve")
        stranger.send(Heartbeat(run="0" * 16))
        assert stranger.expect(Refuse).reason == "not_joined"
        daemon.process.terminate()
        daemon.end()

    def test_a_name_is_free_again_once_its_process_was_killed(self, tmp_path: Path, context: Context) -> None:
        daemon = DaemonProcess(tiny.scenario(), tmp_path / "run")
        (ann,) = enter(context, daemon, "ann")
        twin = Participant(context, daemon.endpoint, "ann")
        twin.send(Join(name="ann", auditor=False, software="test"))
        assert twin.expect(Refuse).reason == "name_taken"
        ann.close()
        while True:  # until libzmq has noticed
            twin.send(Join(name="ann", auditor=False, software="test"))
            if isinstance(twin.receive()[0], Welcome):
                break
        assert daemon.await_line("participant_lost")["participant"] == "ann"
        daemon.process.terminate()
        daemon.end()


def cpu_s(daemon: DaemonProcess) -> float:
    """What it has used so far; 0 once it has ended."""
    said = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")


def last(lines: list[tuple[str, int]], line: tuple[str, int]) -> int:
    """Where it stands for the last time."""
    return max(at for at, other in enumerate(lines) if other == line)


def completed(daemon: DaemonProcess, number: int) -> bool:
    return any(line["event"] == "round_completed" and line["round"] >= number for line in daemon.journal())


def stored(daemon: DaemonProcess, number: int) -> bool:
    return any(line["event"] == "checkpoint_written" and line["round"] >= number for line in daemon.journal())
