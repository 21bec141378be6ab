"""Who takes part on which host, and the command lines that start them there. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from deploy.hosts.hosts_file import BIND, Host, HostsFile
from deploy.hosts.on_host.files import COORDINATOR
from deploy.plan import AUDITOR
from protocol.keys import parse_allowed
from protocol.scenario import Scenario

Command = tuple[str, list[str], str]
"""A process's name, its arguments after ``fedmeta``, and in the federation's folder the file for errors."""


@dataclass(frozen=True)
class Part:
    """One participant. ``attacker``: which of the malicious ones, as ``i/n``."""

    name: str
    role: str
    host: str
    device: str
    attacker: str | None = None


def cast(hosts: HostsFile) -> tuple[Part, ...]:
    """``participant-1`` … over the hosts in their order, first the benign ones and then the malicious, and
    the auditors: the names that ``fedmeta run`` would give, so that the run is the same wherever it runs.

    A host's participants go through its ``devices`` in turn.
    """
    malicious = sum(host.malicious for host in hosts.hosts.values())
    devices = {name: _in_turn(host.devices) for name, host in hosts.hosts.items()}
    parts: list[Part] = []
    for role in ("benign", "malicious"):
        for name in _places(hosts, role):
            attacker = len([part for part in parts if part.role == "malicious"]) + 1
            parts.append(
                Part(
                    name=f"participant-{len(parts) + 1}",
                    role=role,
                    host=name,
                    device=next(devices[name]),
                    attacker=f"{attacker}/{malicious}" if role == "malicious" else None,
                )
            )
    for number, name in enumerate(_places(hosts, "auditors"), start=1):
        called = AUDITOR if number == 1 else f"{AUDITOR}-{number}"
        parts.append(Part(name=called, role=AUDITOR, host=name, device=next(devices[name])))
    return tuple(parts)


def _places(hosts: HostsFile, key: str) -> Iterator[str]:
    for name, host in hosts.hosts.items():
        yield from [name] * getattr(host, key)


def _in_turn(devices: tuple[str, ...]) -> Iterator[str]:
    while True:
        yield from devices


def on(host: str, parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.host == host)


def check_counts(hosts: HostsFile, scenario: Scenario) -> list[str]:
    """Where hosts file and scenario do not go together; each says what would help."""
    parts = cast(hosts)
    trains = sum(part.role != AUDITOR for part in parts)
    wanted = scenario.federation.participants
    problems = []
    if trains != wanted:
        problems.append(
            f"the hosts have {trains} participants (benign and malicious together) and the scenario "
            f"{wanted}; change the hosts file, or --set federation.participants={trains} (with selected and "
            "min_updates at most that)"
        )
    if scenario.evaluation.by == "auditor" and not any(part.role == AUDITOR for part in parts):
        problems.append("nobody would measure the model; give a host auditors = 1")
    return problems


def coordinator_command(hosts: HostsFile, scenario_file: str) -> Command:
    """Paths are in the federation's folder, where it is started."""
    return (
        COORDINATOR,
        [
            *("coordinator", "start", scenario_file, "--bind", hosts.coordinator.bind),
            *("--run-dir", "run", "--keys", "keys"),
        ],
        "run/coordinator.stderr",
    )


def participant_command(part: Part, host: Host, coordinator: str) -> Command:
    """It looks for its coordinator until it is told to stop: hosts may be away for a night."""
    folder = f"participants/{part.name}"
    return (
        part.name,
        [
            *("participant", "start", "--coordinator", coordinator, "--name", part.name),
            *("--role", part.role, "--device", part.device, "--patience", "inf"),
            *(["--attacker", part.attacker] if part.attacker else []),
            *(["--data-dir", host.data_dir] if host.data_dir else []),
            *("--key", f"keys/{part.name}.key", "--coordinator-key", "keys/coordinator.pub"),
            *("--state-dir", folder, "--log", f"{folder}.jsonl"),
        ],
        f"{folder}.stderr",
    )


def commands_on(host: str, hosts: HostsFile, parts: Iterable[Part], scenario_file: str) -> list[Command]:
    """What is to run there."""
    commands = [
        participant_command(part, hosts.hosts[host], hosts.coordinator.address) for part in on(host, parts)
    ]
    at_home = host == hosts.coordinator.host
    return [coordinator_command(hosts, scenario_file), *commands] if at_home else commands


def options_of(arguments: Iterable[str]) -> dict[str, str]:
    """Of a command line from here, where each option has a value."""
    return {option: value for option, value in pairwise(arguments) if option.startswith("--")}


def difference(wanted: Iterable[str], runs: Sequence[str]) -> str | None:
    """How a process was started otherwise than it is wanted now; None: it was not, or nobody knows. Which
    scenario it is does not matter here: that is the run's."""
    want, have = options_of(wanted), options_of(runs)
    other = [option for option in {**want, **have} if want.get(option) != have.get(option)]
    if not runs or not other:
        return None
    told = [
        ", ".join(f"{option} {given[option]}" if option in given else f"no {option}" for option in other)
        for given in (have, want)
    ]
    return f"runs with {told[0]}, and the hosts file wants {told[1]}"


def host_and_port(address: str) -> tuple[str, int]:
    """Of an address in a hosts file, which has been validated."""
    form = BIND.fullmatch(address)
    assert form is not None
    return form["host"].strip("[]"), int(form["port"])


@dataclass(frozen=True)
class Admission:
    """The allow-list to write, whom it has ever named; who was put out and stays so, who has a new key."""

    allowed: str
    offered: str
    revoked: tuple[str, ...]
    replaced: tuple[str, ...]


def admit(allowed: str, offered: str, public: dict[str, str]) -> Admission:
    """Add keys to an allow-list. A name that it once had and has no more was put out by somebody, and stays
    so whatever key its host shows. A participant's new key takes the place of its old one.

    Raises :class:`protocol.errors.UsageProblem` for a list that cannot be read.
    """
    known = parse_allowed(allowed, "allowed").names
    # A line was a name and its key once; the name alone tells who was put out from who has another key.
    ever = {line.split()[0] for line in offered.splitlines() if line.strip()}
    revoked, replaced, lines = [], [], allowed.splitlines()
    for name, key in public.items():
        if key in known:
            continue
        if name in known.values():
            replaced.append(name)
        elif name in ever:
            revoked.append(name)
            continue
        lines = [other for other in lines if other.split()[:1] != [name]]
        lines.append(f"{name} {key}")
    return Admission(
        "".join(f"{line}\n" for line in lines),
        "".join(f"{name}\n" for name in sorted(ever | set(public))),
        tuple(revoked),
        tuple(replaced),
    )
