"""One federation of a study, as real processes: started, watched and ended by what `fedmeta run` uses."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from coordinator.origin import open_origin
from coordinator.reading.events import Event, parse_event
from coordinator.reading.fold import Reading
from coordinator.reading.follow import JournalTail
from coordinator.reading.history import Status
from coordinator.run_dir import RunDirectory
from deploy.branch import check_origin, take_along
from deploy.children import Bell
from deploy.forking import ForkServer
from deploy.plan import LocalRun, cast_roles, default_attackers, keys_of
from deploy.run import prepare
from deploy.study.plan import Run
from deploy.study.sources import note_code
from deploy.supervise import Supervisor
from protocol.files import write_whole
from protocol.key_files import provide
from protocol.scenario import dump_scenario


@dataclass(frozen=True)
class Found:
    """What a run's directory holds: ``status`` None is nothing; whether there is a checkpoint of its own."""

    status: Status | None
    checkpoint: bool = False


class Action(Enum):
    SKIP = "it is complete"
    START = "there is nothing of it that could be gone on with"
    RESUME = "it was interrupted, killed or failed, and has a checkpoint"


def what_to_do(found: Found) -> Action:
    """What a run that a study needs asks for."""
    if found.status == "completed":
        return Action.SKIP
    return Action.RESUME if found.status and found.checkpoint else Action.START


def find(run_dir: Path) -> tuple[Found, Reading, JournalTail]:
    """What is there, and the reading that goes on from it."""
    reading, tail = Reading(), JournalTail(run_dir / "journal.jsonl")
    for line in tail.new_lines():
        reading.feed(line)
    if reading.info.started is None:
        return Found(None), reading, tail
    whole = (run_dir / "scenario.toml").is_file() and (run_dir / "roles.json").is_file()
    return Found(reading.info.status, whole and reading.info.checkpoint is not None), reading, tail


def is_complete(run_dir: Path) -> bool:
    """Whether a run came to its end, without reading all of it."""
    return RunDirectory(run_dir).says_completed()


def has_model(run_dir: Path) -> bool:
    """Whether a run that came to its end still has a model that another can begin with."""
    return any((run_dir / "checkpoints").glob("round-*.json"))


def seconds_of(run_dir: Path) -> float | None:
    """How long a complete run took; None of one that was resumed, since that time holds its pauses."""
    with (run_dir / "journal.jsonl").open("rb") as file:
        lines = file.readlines()
    if not lines or any(b'"event": "run_resumed"' in line for line in lines):
        return None
    first, last = (parse_event(line.decode(errors="replace")) for line in (lines[0], lines[-1]))
    return (last.timestamp - first.timestamp).total_seconds() if first and last else None


class Watcher(Protocol):
    """Told of what is new in a run's journal, about five times a second; of events, too, when nothing is."""

    def update(self, events: Sequence[Event], reading: Reading) -> None: ...

    def note(self, line: str) -> None: ...


def run_federation(
    run: Run,
    run_dir: Path,
    *,
    start_from: Path | None,
    data_dir: Path | None,
    device: str,
    watcher: Watcher,
    bell: Bell,
    processes: ForkServer,
    code: str,
) -> None:
    """Run what is not complete to its end, from where it was left; ``start_from``: the directory of the run
    whose last model, shares and private states it begins with;
    ``code``: the digest of what ``processes`` have loaded. Raises a
    :class:`protocol.errors.FedmetaError` with the reason, :class:`deploy.supervise.Interrupted` among them;
    no process is left in any case."""
    found, reading, tail = find(run_dir)
    action = what_to_do(found)
    federation, evaluation = run.scenario.federation, run.scenario.evaluation
    roles = cast_roles(
        federation.participants, default_attackers(run.scenario), auditor=evaluation.by == "auditor"
    )
    origin = open_origin(str(start_from)) if start_from else None
    if action is Action.START:
        taken = check_origin(origin, run.scenario, roles) if origin else []
        shutil.rmtree(run_dir, ignore_errors=True)
        prepare(run_dir, roles)
        write_whole(run_dir / "scenario.toml", dump_scenario(run.scenario).encode())
        take_along(taken, run_dir / "participants")
        reading, tail = Reading(), JournalTail(run_dir / "journal.jsonl")
    provide(keys_of(run_dir), roles)
    note_code(run_dir, code)
    local = LocalRun(
        scenario=run_dir / "scenario.toml", overrides=(), run_dir=run_dir, data_dir=data_dir, device=device,
        roles=roles, parent=processes.pid, debug=False, origin=origin.path if origin else None,
    )  # fmt: skip
    Supervisor(
        local,
        min_updates=federation.min_updates,
        tail=tail,
        reading=reading,
        progress=watcher,
        bell=bell,
        start=processes.start,
    ).supervise(resume=action is Action.RESUME)
    drop_old_states(run_dir)


def drop_old_states(run_dir: Path) -> None:
    """Of a complete run's private states, keep those that another run may begin with: of many participants
    the others are gigabytes in a study."""
    from participant.learning.private_state import private_file  # torch
    from participant.packing import lost_file

    previous = open_origin(str(run_dir)).checkpoint.state.previous
    for name, number in previous.items():
        folder = run_dir / "participants" / name
        kept = private_file(folder, number), lost_file(folder, number)
        for state in (*folder.glob("private-*"), *folder.glob("lost-*")):
            if state not in kept:
                state.unlink()
