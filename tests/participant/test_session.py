"""A session against a coordinator whose every word the test says: real sockets, a role without torch."""

import signal
import socket
from collections.abc import Iterator

import pytest

from participant.session import Settings
from protocol.codec import encode
from protocol.errors import RunFailed, UsageProblem
from protocol.messages import (
    PROTOCOL_VERSION,
    Accepted,
    EvaluationReport,
    Heartbeat,
    Join,
    Leave,
    Ready,
    Refuse,
    Share,
    Shutdown,
    Update,
)
from tests.participant.examples import (
    OTHER_MANIFEST,
    OTHER_RUN,
    RUN,
    SPLIT,
    FakeRole,
    evaluate,
    measurement,
    model,
    train,
    welcome,
)
from tests.participant.scripted import RunningSession, ScriptedCoordinator

DONE = Shutdown(run=RUN, failed=False, reason="completed")


@pytest.fixture
def coordinator() -> Iterator[ScriptedCoordinator]:
    with ScriptedCoordinator() as scripted:
        yield scripted


def start(
    coordinator: ScriptedCoordinator | str,
    *,
    role: FakeRole | None = None,
    name: str = "benign",
    patience_s: float = 30.0,
    share: Share | None = None,
    parent: int | None = None,
) -> RunningSession:
    endpoint = coordinator if isinstance(coordinator, str) else coordinator.endpoint
    settings = Settings(endpoint, "ann", name, share=share, patience_s=patience_s, parent=parent)
    return RunningSession(settings, role or FakeRole())


def free_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def test_it_joins_trains_and_ends_with_the_run(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator) as session:
        assert coordinator.welcome_it().split == SPLIT
        coordinator.send(train(3), model())
        assert coordinator.expect(Update).round == 3
        assert coordinator.parameters is not None
        assert coordinator.parameters.digest() == model(3).digest()
        coordinator.send(Accepted(run=RUN, round=3))
        coordinator.send(DONE)
        assert session.exit_code() == 0
    wanted = ["participant_started", "joined", "prepared", "train_started", "update_sent", "update_accepted"]
    assert session.events == [*wanted, "run_over"]


def test_the_coordinator_is_told_of_auditors_and_of_no_other_role(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator, name="malicious", share=Share(index=1, count=4)):
        join = coordinator.expect(Join)
    assert not join.auditor
    assert join.share == Share(index=1, count=4)
    assert b"malicious" not in b"".join(bytes(frame) for frame in encode(join))


def test_an_auditor_evaluates(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator, name="auditor"):
        coordinator.welcome_it()
        coordinator.send(evaluate(5), model())
        assert coordinator.expect(EvaluationReport).measurements == (measurement(),)


def test_a_coordinator_that_starts_later_is_found() -> None:
    endpoint = free_endpoint()
    with start(endpoint), ScriptedCoordinator(endpoint) as late:
        late.welcome_it()


def test_nobody_there_is_an_end_after_the_patience() -> None:
    endpoint = free_endpoint()
    with (
        start(endpoint, patience_s=0.05) as session,
        pytest.raises(RunFailed, match=r"no answer from .* after 0\.05 s; is a coordinator running there\?"),
    ):
        session.exit_code()


def test_somebody_there_who_never_answers_is_an_end_after_the_patience(
    coordinator: ScriptedCoordinator,
) -> None:
    with start(coordinator, patience_s=0.05) as session, pytest.raises(RunFailed, match="no answer"):
        session.exit_code()


def test_an_address_that_is_none_is_an_end_at_once() -> None:
    with start("tcp://here") as session, pytest.raises(UsageProblem, match="tcp://HOST:PORT"):
        session.exit_code()


def test_a_restarted_coordinator_gets_its_participant_back_with_the_same_update() -> None:
    endpoint = free_endpoint()
    with start(endpoint) as session:
        with ScriptedCoordinator(endpoint) as first:
            first.welcome_it(welcome(heartbeat_s=0.05))
            first.send(train(), model())
            first.expect(Update)
        with ScriptedCoordinator(endpoint) as second:
            second.welcome_it(welcome(heartbeat_s=0.05))
            second.send(train(), model())
            second.expect(Update)
            second.send(DONE)
            assert session.exit_code() == 0
    assert session.role.trained == [1]
    assert [event for event in session.events if event in ("coordinator_lost", "rejoined")] == [
        "coordinator_lost",
        "rejoined",
    ]


def test_a_coordinator_that_knows_it_no_more_is_joined_again(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator):
        coordinator.welcome_it()
        coordinator.send(Refuse(reason="not_joined", detail=""))
        coordinator.welcome_it()


def test_a_silent_coordinator_is_called_on_a_new_connection(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator):
        coordinator.welcome_it(welcome(heartbeat_s=0.05, liveness_s=0.2))
        before = coordinator.peer
        coordinator.silent = True
        coordinator.expect(Join)
        assert coordinator.peer != before


def test_heartbeats_go_on_while_it_trains(coordinator: ScriptedCoordinator) -> None:
    role = FakeRole()
    role.hold.set()
    with start(coordinator, role=role):
        coordinator.welcome_it(welcome(heartbeat_s=0.05, liveness_s=5))
        coordinator.send(train(), model())
        coordinator.expect(Heartbeat)
        assert role.begun.wait(10)
        coordinator.expect(Heartbeat)
        role.hold.clear()
        coordinator.expect(Update)


def test_a_newer_round_takes_the_place_of_the_one_at_work(coordinator: ScriptedCoordinator) -> None:
    role = FakeRole()
    role.hold.set()
    with start(coordinator, role=role):
        coordinator.welcome_it()
        coordinator.send(train(1), model())
        assert role.begun.wait(10)
        role.begun.clear()
        coordinator.send(train(2), model())
        assert role.begun.wait(10)
        role.hold.clear()
        assert coordinator.expect(Update).round == 2
    assert role.trained == [2]


@pytest.mark.parametrize(
    "frames",
    [
        (b"",),
        (b"\xc1garbage",),
        (b"\x00" * 1000, b"\x00" * 1000),
        (bytes(encode(Heartbeat(run=RUN))[0]), b"tensor"),
        (bytes(encode(train(), model())[0]), b"\x00" * 7),
        (bytes(encode(train(run=OTHER_RUN), model())[0]), bytes(model().frames()[0])),
        (bytes(encode(Leave(run=RUN, reason="for coordinators"))[0]),),
    ],
)
def test_what_makes_no_sense_is_ignored(coordinator: ScriptedCoordinator, frames: tuple[bytes, ...]) -> None:
    with start(coordinator) as session:
        coordinator.welcome_it()
        coordinator.send_frames(*frames)
        coordinator.send(train(), model())
        coordinator.expect(Update)
    assert "message_ignored" in session.events
    assert session.role.trained == [1]


def test_another_protocol_version_is_an_end_that_names_both(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator) as session:
        coordinator.expect(Join)
        coordinator.send(Heartbeat(run=RUN, version=99))
        named = rf"version 99.* {PROTOCOL_VERSION}.*install the same version of fedmeta"
        with pytest.raises(RunFailed, match=named):
            session.exit_code()


def test_a_refusal_is_an_end(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator) as session:
        coordinator.expect(Join)
        coordinator.send(Refuse(reason="bad_share", detail="4 shares, not 5"))
        with pytest.raises(RunFailed, match="4 shares, not 5"):
            session.exit_code()


def test_another_model_is_an_end_and_it_says_so(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator, role=FakeRole(manifest=OTHER_MANIFEST)) as session:
        coordinator.expect(Join)
        coordinator.send(welcome())
        assert coordinator.expect(Leave).reason == "its model has other parameters"
        with pytest.raises(RunFailed, match="has other parameters"):
            session.exit_code()


def test_a_failed_run_is_an_end_with_its_reason(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator) as session:
        coordinator.welcome_it()
        coordinator.send(Shutdown(run=RUN, failed=True, reason="the disk is full"))
        with pytest.raises(RunFailed, match="the run failed: the disk is full"):
            session.exit_code()


@pytest.mark.parametrize(
    ("error", "line", "public"),
    [
        (UsageProblem("no images in /data"), "no images in /data", "failed while training"),
        (ValueError("bad\nshape"), "failed while training: ValueError: bad shape", "failed while training"),
        (MemoryError(), "out of memory while training on cpu; use", "out of memory while training"),
    ],
)
def test_an_error_of_the_role_is_an_end_and_the_coordinator_learns_no_more_than_that(
    coordinator: ScriptedCoordinator, error: Exception, line: str, public: str
) -> None:
    with start(coordinator, role=FakeRole(error=error)) as session:
        coordinator.welcome_it()
        coordinator.send(train(), model())
        assert coordinator.expect(Leave).reason == public
        with pytest.raises((RunFailed, UsageProblem), match=line):
            session.exit_code()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_of_training_makes_it_leave(
    coordinator: ScriptedCoordinator, number: signal.Signals, code: int
) -> None:
    role = FakeRole()
    role.hold.set()
    with start(coordinator, role=role) as session:
        coordinator.welcome_it()
        coordinator.send(train(), model())
        assert role.begun.wait(10)
        session.interrupts.interrupt(number)
        coordinator.expect(Leave)
        assert session.exit_code() == code
    assert session.killed == []


def test_it_ends_with_the_process_that_started_it(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator, parent=1) as session, pytest.raises(RunFailed, match="process 1, which started"):
        session.exit_code()


def test_a_run_that_begins_anew_at_the_same_address_is_joined(coordinator: ScriptedCoordinator) -> None:
    with start(coordinator):
        coordinator.welcome_it()
        coordinator.send(Refuse(reason="not_joined", detail=""))
        coordinator.expect(Join)
        coordinator.send(welcome(run=OTHER_RUN))
        assert coordinator.expect(Ready).run == OTHER_RUN
