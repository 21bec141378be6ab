"""Bringing what all hosts have written into one run directory, which inspect and report read."""

import io
import json
import tarfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from deploy.hosts.answers import Seen
from deploy.hosts.casting import Part, cast, on
from deploy.hosts.fleet import Fleet
from deploy.plan import AUDITOR
from deploy.roles import write_roles
from protocol.errors import RunFailed, UsageProblem
from protocol.files import write_whole

PACK_S = 600.0
RUNS = Path("runs")
ROLES = ("benign", "malicious", AUDITOR)


@dataclass(frozen=True)
class Fetched:
    run_dir: Path
    files: int


async def fetch_logs(fleet: Fleet, run_dir: Path | None, *, checkpoints: bool) -> Fetched:
    """``run_dir`` None: runs/FEDERATION-RUN. Files that are there are replaced by what they have grown to.

    Raises :class:`RunFailed` where nothing has run yet, or the coordinator's host cannot be reached.
    """
    home, parts = fleet.hosts.coordinator.host, cast(fleet.hosts)
    seen = await fleet.on_each(lambda _, host: host.ask(Seen, "look"), [home])
    if home not in seen:
        raise RunFailed(str(fleet.lost[home]))
    run = seen[home].progress.run
    if run is None:
        raise RunFailed(f"{home}: no run has begun there yet; begin one with deploy up")
    target = run_dir or RUNS / f"{fleet.hosts.name}-{run[:8]}"
    _check_same_run(target, run)
    packed = await fleet.on_each(
        lambda name, host: host.unpack(
            timeout_s=PACK_S,
            names=[part.name for part in on(name, parts)],
            run=name == home,
            checkpoints=checkpoints,
        ),
        fleet.hosts.hosts,
    )
    count = 0
    for name, data in packed.items():
        count += unpack(data, target, {part.name for part in on(name, parts)}, run=name == home)
    write_roles(target, {part.name: _role_of(target, part) for part in parts})
    return Fetched(target, count)


def unpack(packed: bytes, target: Path, names: set[str], *, run: bool) -> int:
    """Write the logs of ``names``, and with ``run`` those of the run: a host writes nothing else, whatever it
    sends. How many files."""
    count = 0
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        for member in tar:
            path = _place(member.name, names, run)
            file = tar.extractfile(member) if path is not None and member.isfile() else None
            if path is not None and file is not None:
                write_whole(target / path, file.read())
                count += 1
    return count


def _place(name: str, names: set[str], run: bool) -> Path | None:
    """Where in a run directory a file of a host's belongs; None: nowhere."""
    match name.split("/"):
        case ["participants", log] if log.rpartition(".")[0] in names and log.endswith((".jsonl", ".stderr")):
            return Path("participants", log)
        case ["run", file] if run and file not in ("", ".", ".."):
            return Path(file)
        case ["run", "checkpoints", file] if run and file.startswith("round-"):
            return Path("checkpoints", file)
        case _:
            return None


def _role_of(target: Path, part: Part) -> str:
    """By its own log, where it has one: the hosts file may have been edited since."""
    log = target / "participants" / f"{part.name}.jsonl"
    if log.exists():
        with log.open("rb") as lines:
            for line in deque(lines, maxlen=2):  # the last one may be torn
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if isinstance(said, dict) and said.get("role") in ROLES:
                    role: str = said["role"]
                    return role
    return part.role


def _check_same_run(target: Path, run: str) -> None:
    journal = target / "journal.jsonl"
    if not journal.exists():
        return
    with journal.open(encoding="utf-8", errors="replace") as lines:
        first = next(lines, "")
    if f'"run": "{run}"' not in first:
        raise UsageProblem(f"{target}: holds another run; name another --run-dir")
