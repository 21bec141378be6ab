"""What runs where, and how far the run is."""

from dataclasses import dataclass, replace

from deploy.hosts.answers import Progress, Seen
from deploy.hosts.casting import cast, commands_on, difference, options_of
from deploy.hosts.check import unknown_process
from deploy.hosts.fleet import Fleet
from deploy.hosts.hosts_file import HostsFile
from deploy.hosts.on_host.files import COORDINATOR
from deploy.hosts.up import said_last
from deploy.hosts.used import Place, forgotten, used


@dataclass(frozen=True)
class Row:
    """``role``: of what was started; where nothing was, of what the hosts file wants. ``state``: running,
    joined, ended, stopped, unknown or unreachable. ``note``: last words, or what is wrong."""

    host: str
    name: str
    role: str
    state: str
    pid: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Status:
    """``progress``: by the coordinator's journal; None where its host cannot be reached. ``forgotten``: hosts
    that were used, and are not in the hosts file any more."""

    rows: tuple[Row, ...]
    progress: Progress | None
    lost: tuple[str, ...]
    forgotten: tuple[Place, ...] = ()

    @property
    def is_well(self) -> bool:
        """Nothing is missing of what should run now."""
        over = self.progress is not None and self.progress.status == "completed"
        return not self.lost and (over or all(row.state in ("running", "joined") for row in self.rows))


async def status_of(fleet: Fleet) -> Status:
    seen = await fleet.on_each(lambda _, host: host.ask(Seen, "look"), fleet.hosts.hosts)
    left = forgotten(fleet, await used(fleet))
    problems = {name: problem.text for name, problem in fleet.lost.items()}
    return replace(merged(fleet.hosts, seen, problems), forgotten=left)


def merged(hosts: HostsFile, seen: dict[str, Seen], lost: dict[str, str]) -> Status:
    """What the hosts say, beside what the hosts file wants. A process that runs and is not in the file any
    more is shown as well."""
    home = hosts.coordinator.host
    progress = seen[home].progress if home in seen else None
    parts = cast(hosts)
    wanted = {(home, COORDINATOR): COORDINATOR}
    wanted |= {(part.host, part.name): part.role for part in parts}
    commands = {
        (host, name): arguments
        for host in hosts.hosts
        for name, arguments, _ in commands_on(host, hosts, parts, "")
    }
    started = {(host, process.name): process for host, one in seen.items() for process in one.processes}
    places = [*wanted, *sorted(set(started) - set(wanted))]
    rows = []
    for host, name in sorted(places, key=lambda place: list(hosts.hosts).index(place[0])):
        role, process = wanted.get((host, name), "not in the hosts file"), started.get((host, name))
        if process is not None and (host, name) in wanted:
            role = options_of(process.arguments).get("--role", role)
        if host in lost:
            rows.append(Row(host, name, role, "unreachable", None, lost[host]))
        elif process is None:
            rows.append(Row(host, name, role, "stopped"))
        elif process.damaged is not None:
            note = f"{process.damaged} is damaged; {unknown_process(process.damaged)}"
            rows.append(Row(host, name, role, "unknown", None, note))
        elif not process.alive:
            note = "" if progress and progress.status == "completed" else said_last(process)
            rows.append(Row(host, name, role, "ended", process.pid, note))
        else:
            joined = progress is not None and name in progress.ready
            other = difference(commands.get((host, name), process.arguments), process.arguments)
            note = f"{other}; deploy down first, then deploy up" if other else ""
            rows.append(Row(host, name, role, "joined" if joined else "running", process.pid, note))
    return Status(tuple(rows), progress, tuple(lost))


def progress_line(status: Status) -> str:
    """For people."""
    progress = status.progress
    if progress is None:
        return "the coordinator's host cannot be reached: how far the run is is not known"
    if progress.status == "absent" or progress.run is None:
        return "no run yet" if progress.status == "absent" else "the coordinator starts"
    where = f"{progress.scenario} (run {progress.run}): round {progress.round} of {progress.rounds}"
    if progress.status != "running":
        return f"{where}, {progress.status}{f' ({progress.reason})' if progress.reason else ''}"
    coordinator = next(row for row in status.rows if row.role == COORDINATOR)
    if coordinator.state != "running":
        return f"{where}, and its coordinator does not run"
    takes_part = [row for row in status.rows if row.role != COORDINATOR]
    waiting = f", waits for: {progress.waiting}" if progress.waiting else ""
    return f"{where}, running; {len(progress.ready)} of {len(takes_part)} have joined{waiting}"
