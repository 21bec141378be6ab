"""What is gone on with, what is begun anew, what is left alone."""

from pathlib import Path

import pytest

from coordinator.checkpoints import CheckpointStore
from coordinator.reading.history import Status
from coordinator.state import FederationState
from deploy.study.federation import Action, Found, drop_old_states, find, is_complete, seconds_of, what_to_do
from tests.coordinator.reading.example import line
from tests.coordinator.tiny import values
from tests.deploy.study.journals import as_the_paper_says, plan_of, write_run

PLAN = plan_of(["E1"], (1,))
RUN = PLAN.run("E1-s1")


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (Found(None), Action.START),
        (Found("completed", checkpoint=True), Action.SKIP),
        (Found("interrupted", checkpoint=True), Action.RESUME),
        (Found("running", checkpoint=True), Action.RESUME),  # it was killed
        (Found("failed", checkpoint=True), Action.RESUME),
        (Found("interrupted", checkpoint=False), Action.START),
        (Found("running", checkpoint=False), Action.START),
    ],
)
def test_a_run_is_skipped_resumed_or_started(found: Found, action: Action) -> None:
    assert what_to_do(found) is action


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert find(tmp_path / "none")[0] == Found(None)
    assert not is_complete(tmp_path / "none")


@pytest.mark.parametrize(("event", "status"), [("run_interrupted", "interrupted"), ("run_failed", "failed")])
def test_a_run_with_a_checkpoint_can_be_gone_on_with(event: str, status: Status, tmp_path: Path) -> None:
    write_run(tmp_path / "run", RUN, 300, as_the_paper_says, complete=False)
    with (tmp_path / "run" / "journal.jsonl").open("a") as journal:
        journal.write(
            line("checkpoint_written", round=300, path="x", seconds=0.1) + "\n" + line(event) + "\n"
        )
    found, reading, tail = find(tmp_path / "run")
    assert found == Found(status, checkpoint=True)
    assert reading.info.checkpoint == 300
    assert tail.new_lines() == []  # the tail stands at the end of what was read
    (tmp_path / "run" / "roles.json").unlink()
    assert find(tmp_path / "run")[0] == Found(status, checkpoint=False)


def test_of_private_states_those_stay_that_another_run_begins_with(tmp_path: Path) -> None:
    names = ("ann", "bob")
    state = FederationState(run="00112233", round=7, previous={"ann": 7, "bob": 6})
    CheckpointStore(tmp_path / "checkpoints", lambda _: True).write(state, values(1, "model"))
    for name in names:
        (tmp_path / "participants" / name).mkdir(parents=True)
        for number in (5, 6, 7):
            for kind in ("private", "lost"):
                (tmp_path / "participants" / name / f"{kind}-{number:06d}.safetensors").touch()
    drop_old_states(tmp_path)
    left = {
        name: sorted(path.name for path in (tmp_path / "participants" / name).iterdir()) for name in names
    }
    assert left == {
        "ann": ["lost-000007.safetensors", "private-000007.safetensors"],
        "bob": ["lost-000006.safetensors", "private-000006.safetensors"],
    }


def test_a_complete_run_says_how_long_it_took_unless_it_was_resumed(tmp_path: Path) -> None:
    write_run(tmp_path / "run", RUN, 300, as_the_paper_says)
    assert is_complete(tmp_path / "run")
    assert seconds_of(tmp_path / "run") == 0.0  # every line has the same time here
    journal = tmp_path / "run" / "journal.jsonl"
    journal.write_text(line("run_resumed", round=300) + "\n" + journal.read_text())
    assert seconds_of(tmp_path / "run") is None
