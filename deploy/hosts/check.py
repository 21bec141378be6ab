"""Looking at each host before anything is started: what is wrong there, and how to mend it."""

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import PurePosixPath
from typing import Literal

from coordinator.run_dir import first_difference
from deploy.hosts.answers import Fit, Probe
from deploy.hosts.casting import Part, cast, commands_on, difference, host_and_port, on, options_of
from deploy.hosts.fleet import Fleet, at_all
from deploy.hosts.hosts_file import HostsFile
from deploy.hosts.on_host.files import COORDINATOR
from deploy.hosts.remote import Connection, HostProblem
from protocol.errors import UsageProblem
from protocol.scenario import Scenario, dump_scenario, parse_scenario

OLDEST_PYTHON = (3, 11)
CLOCK_S = 5.0
LITTLE_SPACE = 2**30
DOWN_FIRST = "end it first: deploy down, then deploy up"
FIT_S = 600.0  # the first look at a data set draws or reads all of it

Verdict = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``remedy``: empty where nothing is to be done."""

    item: str
    verdict: Verdict
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class HostReport:
    host: str
    findings: tuple[Finding, ...]
    probe: Probe | None = None

    @property
    def wrong(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "wrong")


async def check_hosts(
    fleet: Fleet, scenario: Scenario | None, *, fresh: bool = False
) -> tuple[HostReport, ...]:
    """Look at all hosts at once. ``fresh``: another run is to begin, whatever is there."""

    async def look_at(name: str) -> HostReport:
        if name in fleet.lost:
            return HostReport(name, (as_finding(fleet.lost[name]),))
        return await _look_at(name, fleet.connections[name], fleet.hosts, scenario, fresh)

    return tuple((await at_all(fleet.hosts.hosts, look_at)).values())


def unknown_process(path: str) -> str:
    """What to do about a record that does not say which process it is of."""
    name = PurePosixPath(path).stem
    return f"there: see whether {name} runs (ps -ef), end it, then rm {shlex.quote(path)}"


def as_finding(problem: HostProblem) -> Finding:
    return Finding(problem.item, "wrong", problem.text, problem.remedy)


async def _look_at(
    name: str, host: Connection, hosts: HostsFile, scenario: Scenario | None, fresh: bool
) -> HostReport:
    parts = on(name, cast(hosts))
    coordinates = name == hosts.coordinator.host
    bind = host_and_port(hosts.coordinator.bind) if coordinates else None
    keys = [part.name for part in parts] + ([COORDINATOR] if coordinates else [])
    reached = Finding("ssh", "ok", "this machine" if hosts.hosts[name].local else "reachable")
    asked = time.time()
    try:
        probe = await host.ask(Probe, "probe", bind=bind, keys=keys)
        off_s = probe.time - (asked + time.time()) / 2
        judged = judge(probe, off_s, hosts if coordinates else None, is_here=hosts.hosts[name].local)
        findings = [reached, *judged]
        for path in probe.damaged:
            findings.append(Finding("process", "wrong", f"{path} is damaged", unknown_process(path)))
        for called, wanted, _ in commands_on(name, hosts, parts, ""):
            other = difference(wanted, probe.commands.get(called, ()))
            if other is not None:
                findings.append(Finding("process", "wrong", f"{called} {other}", DOWN_FIRST))
        if fresh and probe.running:
            running = f"a run goes on here: {', '.join(probe.running)}"
            findings.append(Finding("run", "wrong", running, "end it first: deploy down"))
        if coordinates and not fresh and scenario is not None and probe.scenario is not None:
            findings.append(_run(probe, scenario))
        if not any(
            finding.verdict == "wrong" and finding.item in ("python", "fedmeta") for finding in findings
        ):
            findings += await _fit(host, parts, hosts.hosts[name].data_dir, scenario)
    except HostProblem as problem:
        return HostReport(name, (reached, as_finding(problem)))
    return HostReport(name, tuple(findings), probe)


def judge(
    probe: Probe, clock_off_s: float, hosts: HostsFile | None, *, is_here: bool = False
) -> Iterator[Finding]:
    """What the host's own answers mean. ``hosts``: given for the one that runs the coordinator. ``is_here``:
    there is no connection that ends."""
    yield _python(probe)
    yield _fedmeta(probe)
    yield _space(probe)
    if abs(clock_off_s) > CLOCK_S:
        yield Finding(
            "clock",
            "warning",
            f"{abs(clock_off_s):.0f} s {'ahead of' if clock_off_s > 0 else 'behind'} the clock here",
            "nothing depends on it, but times in its logs are off: let it keep time (NTP)",
        )
    else:
        yield Finding("clock", "ok", f"within {CLOCK_S:.0f} s")
    if probe.open_keys:
        paths = shlex.join(probe.open_keys)
        yield Finding("keys", "wrong", f"others can read {paths}", f"chmod 600 {paths}")
    if probe.ends_at_logout:
        yield Finding(
            "logout",
            "warning" if is_here else "wrong",
            "systemd ends all processes of a user who logs out",
            "KillUserProcesses=no in /etc/systemd/logind.conf, or use the units in deploy/systemd",
        )
    if hosts is not None:
        yield _port(probe, hosts)


def _python(probe: Probe) -> Finding:
    have = tuple(int(part) for part in probe.python.split(".")[:2])
    if have < OLDEST_PYTHON:
        return Finding(
            "python",
            "wrong",
            f"{probe.python} at {probe.executable}",
            "fedmeta needs Python 3.11 or newer: name one by venv or python in the hosts file",
        )
    return Finding("python", "ok", f"{probe.python} at {probe.executable}")


def _fedmeta(probe: Probe) -> Finding:
    here = version("fedmeta")
    if probe.fedmeta == here:
        return Finding("fedmeta", "ok", here)
    if probe.fedmeta is None:
        return Finding(
            "fedmeta",
            "wrong",
            f"not installed for {probe.executable}",
            f"install version {here} there, or name its environment by venv in the hosts file",
        )
    return Finding(
        "fedmeta", "wrong", f"version {probe.fedmeta}, and {here} here", "install the same version on both"
    )


def _space(probe: Probe) -> Finding:
    text = f"{probe.free_bytes / 1e9:.1f} GB free in {probe.folder}"
    if probe.free_bytes < LITTLE_SPACE:
        return Finding("folder", "warning", text, "make room, or choose another state_dir")
    return Finding("folder", "ok", text)


def _port(probe: Probe, hosts: HostsFile) -> Finding:
    bind = hosts.coordinator.bind
    if COORDINATOR in probe.running:
        listens = options_of(probe.commands.get(COORDINATOR, ())).get("--bind", bind)
        return Finding("port", "ok", f"{listens}: this federation's coordinator runs")
    if probe.port_problem is None:
        return Finding("port", "ok", f"{bind} is free")
    return Finding(
        "port",
        "wrong",
        f"{bind}: {probe.port_problem}",
        "end what listens there (ss -ltnp shows it), or change coordinator.bind in the hosts file: an "
        "address of that host and a free port",
    )


def _run(probe: Probe, scenario: Scenario) -> Finding:
    try:
        other = first_difference(parse_scenario(probe.scenario or ""), scenario)
    except UsageProblem:
        other = "format"
    if other is not None:
        return Finding(
            "run",
            "wrong",
            f"a run with another {other} is there",
            "to go on with it, give the scenario and every --set that it was begun with; "
            "to begin another: deploy up --new",
        )
    if probe.status == "completed":
        return Finding(
            "run", "wrong", "this run is complete", "read it: deploy logs; begin another: deploy up --new"
        )
    return Finding("run", "ok", "goes on with the one that is there")


async def _fit(
    host: Connection, parts: tuple[Part, ...], data_dir: str | None, scenario: Scenario | None
) -> list[Finding]:
    """Devices, and with a scenario the data."""
    if not parts:
        return []
    devices = sorted({part.device for part in parts})
    text = dump_scenario(scenario) if scenario is not None else ""
    fit = await host.ask(Fit, "fit", timeout_s=FIT_S, scenario=text, data_dir=data_dir, devices=devices)
    gpus = ", ".join(fit.gpus) or "no GPU"
    findings = [Finding("device", "ok", f"{', '.join(d for d in devices if d not in fit.problems)} ({gpus})")]
    if len(fit.problems) == len(devices):
        findings = []
    for problem in sorted(set(fit.problems.values())):
        text, _, remedy = problem.replace("--data-dir", "data_dir in the hosts file").partition("; ")
        if problem.startswith("--device"):
            findings.append(Finding("device", "wrong", text, remedy or "change devices in the hosts file"))
        else:
            other = ", or data_dir in the hosts file" if data_dir is not None else ""
            remedy = remedy or f"change the scenario, or the --set that does not go with it{other}"
            findings.append(Finding("data", "wrong", text, remedy))
    if scenario is not None and not fit.problems:
        findings.append(Finding("data", "ok", scenario.task.dataset))
    return findings
