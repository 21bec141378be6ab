"""``fedmeta deploy``: a federation over several hosts."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deploy.hosts.hosts_file import HostsFile, load_hosts
from protocol.errors import RunFailed, UsageProblem
from protocol.scenario import Scenario, load_scenario
from protocol.scenario_files import find_scenario

if TYPE_CHECKING:
    from deploy.hosts.check import HostReport
    from deploy.hosts.fleet import Fleet

F = TypeVar("F", bound=Callable[..., Any])

HOSTS = click.argument(
    "hosts", type=click.Path(path_type=Path), metavar="HOSTS.toml", envvar="FEDMETA_DEPLOY_HOSTS"
)
TIMEOUT = click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a host may take to answer the call.",
)


def set_option(command: str) -> Callable[[F], F]:
    """``--set``, and its variable, which click would call after the parameter."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        envvar=f"FEDMETA_DEPLOY_{command}_SET",
        help="Change a key of the scenario. Repeatable.",
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def deploy() -> None:
    """Run a federation on several hosts, which HOSTS.toml describes, over SSH."""


@deploy.command()
@HOSTS
@click.argument("scenario", required=False)
@set_option("CHECK")
@TIMEOUT
def check(hosts: Path, scenario: str | None, overrides: tuple[str, ...], timeout: float) -> None:
    """Look at every host: what is wrong there, and how to mend it. With SCENARIO at its data, too."""
    described = load_hosts(hosts)
    parsed = _scenario(described, hosts, scenario, overrides)[1] if scenario else None

    async def looked(fleet: "Fleet") -> None:
        from deploy.hosts.check import check_hosts

        _show_check(await check_hosts(fleet, parsed), everything=True)

    _over(described, timeout, looked)


@deploy.command()
@HOSTS
@click.argument("scenario")
@set_option("UP")
@click.option(
    "--new",
    "fresh",
    is_flag=True,
    envvar="FEDMETA_DEPLOY_UP_NEW",
    help="Set a former run aside, and begin another.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for all participants to join.",
)
@TIMEOUT
def up(
    hosts: Path, scenario: str, overrides: tuple[str, ...], fresh: bool, wait: float, timeout: float
) -> None:
    """Check the hosts, hand out keys, start SCENARIO, and wait until all have joined.

    Again, it starts what is missing; the run goes on from its newest checkpoint. The processes outlive the
    connection.
    """
    described = load_hosts(hosts)
    name, parsed = _scenario(described, hosts, scenario, overrides)

    async def started(fleet: "Fleet") -> None:
        from deploy.hosts.check import check_hosts
        from deploy.hosts.up import Launch
        from deploy.hosts.up import up as start

        _show_check(await check_hosts(fleet, parsed, fresh=fresh), everything=False)
        try:
            await start(fleet, Launch(parsed, name, fresh, wait), click.echo)
        except asyncio.CancelledError:  # Ctrl-C
            click.echo(
                "fedmeta: interrupted; whatever was started goes on: "
                f"fedmeta deploy status {hosts} shows them, fedmeta deploy down {hosts} ends them",
                err=True,
            )
            raise
        click.echo(f"all have joined; watch it with: fedmeta deploy status {hosts}")

    _over(described, timeout, started)


@deploy.command()
@HOSTS
@click.option(
    "--json", "as_json", is_flag=True, envvar="FEDMETA_DEPLOY_STATUS_JSON", help="One JSON document."
)
@TIMEOUT
def status(hosts: Path, as_json: bool, timeout: float) -> None:
    """Show each process on each host, and how far the run is. Exits with 3 if something is missing."""
    described = load_hosts(hosts)

    async def shown(fleet: "Fleet") -> None:
        from coordinator.reading.tables import open_console
        from deploy.hosts.status import progress_line, status_of
        from deploy.hosts.tables import NO_LIMIT, status_table
        from deploy.hosts.used import remedy

        found = await status_of(fleet)
        if as_json:
            rows = [asdict(row) for row in found.rows]
            progress = found.progress.model_dump() if found.progress else None
            forgotten = [place.model_dump() for place in found.forgotten]
            document = {
                "processes": rows,
                "progress": progress,
                "unreachable": found.lost,
                "forgotten": forgotten,
            }
            click.echo(json.dumps(document, indent=2))
        else:
            console = open_console(NO_LIMIT)
            console.print(status_table(found))
            line = progress_line(found)
            console.print(f"\n{line}", markup=False, highlight=False, soft_wrap=True)
            if found.forgotten:
                line = remedy(fleet, found.forgotten)
                console.print(f"\n{line}", markup=False, highlight=False, soft_wrap=True)
        if not found.is_well:
            missing = [row.name for row in found.rows if row.state in ("ended", "stopped")]
            unreachable = [f"{name} cannot be reached" for name in found.lost]
            gone = [f"{', '.join(missing)} {'do' if len(missing) > 1 else 'does'} not run"] if missing else []
            unknown = [f"{row.name}: {row.note}" for row in found.rows if row.state == "unknown"]
            remedies = ["deploy up starts what is missing"] if unreachable or gone else []
            raise RunFailed("; ".join([*unreachable, *gone, *remedies, *unknown]))

    _over(described, timeout, shown)


@deploy.command()
@HOSTS
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FEDMETA_RUN_DIR",
    help="Where to. Default: runs/FEDERATION-RUN.",
)
@click.option("--checkpoints", is_flag=True, help="Bring the models, too.")
@TIMEOUT
def logs(hosts: Path, run_dir: Path | None, checkpoints: bool, timeout: float) -> None:
    """Bring the journal and all participants' logs here, into a run directory for inspect and report."""
    described = load_hosts(hosts)

    async def brought(fleet: "Fleet") -> None:
        from deploy.hosts.logs import fetch_logs

        fetched = await fetch_logs(fleet, run_dir, checkpoints=checkpoints)
        click.echo(
            f"{fetched.files} files in {fetched.run_dir}; read them: fedmeta inspect {fetched.run_dir}"
        )
        problems = _lost(fleet, "their logs are missing here")
        if problems:
            raise RunFailed("; ".join(problems))

    _over(described, timeout, brought)


@deploy.command()
@HOSTS
@TIMEOUT
def down(hosts: Path, timeout: float) -> None:
    """End all processes, the coordinator with a checkpoint. Exits with 3 if something may be left."""
    described = load_hosts(hosts)

    async def ended(fleet: "Fleet") -> None:
        from deploy.hosts.check import unknown_process
        from deploy.hosts.down import down as end
        from deploy.hosts.used import forget, remedy

        answers = await end(fleet)
        for host in answers:
            if host.host not in fleet.lost:
                ended = f"ended {', '.join(host.ended)}" if host.ended else ""
                killed = (
                    f"killed {', '.join(host.killed)}, which did not end by themselves" if host.killed else ""
                )
                what = "; ".join(part for part in (ended, killed) if part) or "nothing was running"
                click.echo(f"{host.host}: {what}")
        over = [host.host for host in answers if host.host not in fleet.lost and not host.damaged]
        left = await forget(fleet, over)
        problems = _lost(fleet, "what runs there goes on: deploy down again when it is back")
        problems += [
            f"{host.host}: {path} is damaged; {unknown_process(path)}"
            for host in answers
            for path in host.damaged
        ]
        problems += [remedy(fleet, left)] if left else []
        if problems:
            raise RunFailed("; ".join(problems))

    _over(described, timeout, ended)


def _scenario(
    described: HostsFile, hosts: Path, scenario: str, overrides: tuple[str, ...]
) -> tuple[str, Scenario]:
    """Its name, and itself. Raises :class:`UsageProblem` where it does not go with the hosts file."""
    from deploy.hosts.casting import check_counts

    path = find_scenario(scenario)
    parsed = load_scenario(path, overrides)
    problems = check_counts(described, parsed)
    if problems:
        raise UsageProblem(f"{hosts}: {'; '.join(problems)}")
    return path.stem, parsed


def _show_check(reports: "Sequence[HostReport]", *, everything: bool) -> None:
    """The tables, or with ``everything`` false those with something to mend. Raises :class:`UsageProblem`."""
    from coordinator.reading.tables import open_console
    from deploy.hosts.tables import NO_LIMIT, report_table

    console = open_console(NO_LIMIT)
    for report in reports:
        if everything or any(finding.verdict != "ok" for finding in report.findings):
            console.print(report_table(report))
            console.print()
    wrong = [
        f"{r.host} ({', '.join(dict.fromkeys(finding.item for finding in r.wrong))})"
        for r in reports
        if r.wrong
    ]
    if wrong:
        raise UsageProblem(f"{len(wrong)} of {len(reports)} hosts cannot take part yet: {', '.join(wrong)}")


def _lost(fleet: "Fleet", consequence: str) -> list[str]:
    """A line for the hosts that could not be reached, if there are any."""
    problems = "; ".join(f"{name} ({problem.text})" for name, problem in fleet.lost.items())
    return [f"could not be reached: {problems}; {consequence}"] if problems else []


def _over(described: HostsFile, timeout: float, do: Callable[["Fleet"], Awaitable[None]]) -> None:
    from deploy.hosts.fleet import reached  # asyncssh takes a moment to import

    async def connected() -> None:
        async with reached(described, timeout) as fleet:
            await do(fleet)

    asyncio.run(connected())
