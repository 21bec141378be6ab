"""What the hosts answer, merged into one picture."""

from collections.abc import Sequence
from typing import Any

from deploy.hosts.answers import Progress, Seen
from deploy.hosts.casting import cast, participant_command
from deploy.hosts.status import Status, merged, progress_line
from tests.deploy.hosts.two_hosts import HOSTS


def process(
    name: str, *, alive: bool = True, said: str = "", arguments: Sequence[str] = ()
) -> dict[str, Any]:
    about = {"pid": 7, "since": 0.0, "errors": "/x", "arguments": tuple(arguments)}
    return {"name": name, "alive": alive, "last_words": said, **about}


def seen(*processes: dict[str, Any], **progress: Any) -> Seen:
    nothing: dict[str, Any] = {
        "status": "running", "run": "ab" * 8, "scenario": "tiny", "rounds": 9, "round": 4, "ready": (),
        "waiting": None, "reason": None,
    }  # fmt: skip
    return Seen.model_validate({"processes": processes, "progress": {**nothing, **progress}})


def picture(status: Status) -> dict[str, str]:
    return {row.name: row.state for row in status.rows}


def test_all_is_well_when_everything_runs() -> None:
    ready = ("participant-1", "participant-2")
    answers = {
        "alpha": seen(process("coordinator"), process("participant-1"), ready=ready),
        "beta": seen(process("participant-2"), status="absent"),
    }
    status = merged(HOSTS, answers, {})
    assert picture(status) == {"coordinator": "running", "participant-1": "joined", "participant-2": "joined"}
    assert status.is_well
    assert progress_line(status) == f"tiny (run {'ab' * 8}): round 4 of 9, running; 2 of 2 have joined"


def test_what_died_says_why_what_was_never_started_and_what_nobody_wants_are_told_apart() -> None:
    answers = {
        "alpha": seen(process("coordinator"), process("participant-7")),
        "beta": seen(process("participant-2", alive=False, said="no images in /data")),
    }
    status = merged(HOSTS, answers, {})
    assert not status.is_well
    assert picture(status) == {
        "coordinator": "running",
        "participant-1": "stopped",
        "participant-7": "running",
        "participant-2": "ended",
    }
    notes = {row.name: (row.role, row.note) for row in status.rows}
    assert notes["participant-2"] == ("benign", "no images in /data")
    assert notes["participant-7"] == ("not in the hosts file", "")


def test_what_runs_is_shown_as_it_was_started_and_where_the_hosts_file_says_otherwise() -> None:
    other = participant_command(cast(HOSTS)[0], HOSTS.hosts["alpha"], "tcp://10.0.0.1:5555")[1]
    other = [{"benign": "malicious"}.get(word, word) for word in other]
    same = participant_command(cast(HOSTS)[1], HOSTS.hosts["beta"], "tcp://10.0.0.1:5555")[1]
    elsewhere = ["coordinator", "start", "tiny.toml", "--bind", "tcp://10.0.0.1:6100"]
    elsewhere += ["--run-dir", "run", "--keys", "keys"]
    answers = {
        "alpha": seen(process("coordinator", arguments=elsewhere), process("participant-1", arguments=other)),
        "beta": seen(process("participant-2", arguments=same)),
    }
    rows = {row.name: row for row in merged(HOSTS, answers, {}).rows}
    remedy = "; deploy down first, then deploy up"
    assert (rows["participant-1"].role, rows["participant-1"].note) == (
        "malicious",
        f"runs with --role malicious, and the hosts file wants --role benign{remedy}",
    )
    assert rows["coordinator"].note == (
        "runs with --bind tcp://10.0.0.1:6100, and the hosts file wants --bind tcp://10.0.0.1:5555" + remedy
    )
    assert (rows["participant-2"].role, rows["participant-2"].note) == ("benign", "")


def test_a_process_of_which_nothing_is_known_is_not_taken_for_ended() -> None:
    damaged = {**process("participant-2", alive=False), "damaged": "/lab/processes/participant-2.json"}
    answers = {"alpha": seen(process("coordinator"), process("participant-1")), "beta": seen(damaged)}
    status = merged(HOSTS, answers, {})
    assert not status.is_well
    row = next(row for row in status.rows if row.name == "participant-2")
    assert (row.state, row.note) == (
        "unknown",
        "/lab/processes/participant-2.json is damaged; there: see whether participant-2 runs (ps -ef), "
        "end it, then rm /lab/processes/participant-2.json",
    )


def test_a_host_that_cannot_be_reached_is_not_taken_for_stopped() -> None:
    status = merged(HOSTS, {"beta": seen(process("participant-2"), status="absent")}, {"alpha": "no answer"})
    assert picture(status)["participant-1"] == "unreachable"
    assert not status.is_well
    assert "not known" in progress_line(status)


def test_after_a_completed_run_nothing_is_missing() -> None:
    answers = {
        "alpha": seen(process("coordinator", alive=False), status="completed", round=9),
        "beta": seen(process("participant-2", alive=False)),
    }
    status = merged(HOSTS, answers, {})
    assert status.is_well
    assert progress_line(status).endswith("round 9 of 9, completed")


def test_a_journal_that_ends_in_mid_run_is_not_a_running_run() -> None:
    status = merged(HOSTS, {"alpha": seen(process("coordinator", alive=False)), "beta": seen()}, {})
    assert progress_line(status).endswith("its coordinator does not run")
    assert isinstance(status.progress, Progress)
