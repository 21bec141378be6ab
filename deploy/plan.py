"""Who takes part in a local run, where each keeps its files, and the command lines that start them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from protocol.scenario import Scenario

AUDITOR = "auditor"
COORDINATOR = "coordinator"
ANY_LOCAL_PORT = "tcp://127.0.0.1:*"


@dataclass(frozen=True)
class LocalRun:
    """``roles``: every participant's name and role, the auditor's too. ``parent``: the process whose end
    ends the others. ``origin``: the checkpoint that it begins with, if it is not the first draw."""

    scenario: Path
    overrides: tuple[str, ...]
    run_dir: Path
    data_dir: Path | None
    device: str
    roles: Mapping[str, str]
    parent: int
    debug: bool
    origin: Path | None = None

    @property
    def keys(self) -> Path:
        return keys_of(self.run_dir)

    @property
    def journal(self) -> Path:
        return self.run_dir / "journal.jsonl"

    def stderr_of(self, name: str) -> Path:
        """What a process writes for people; its last line is the reason if it fails."""
        folder = self.run_dir / "participants" if name in self.roles else self.run_dir
        return folder / f"{name}.stderr"


def keys_of(run_dir: Path) -> Path:
    """The keys of a local run, which are for it alone."""
    return run_dir / "keys"


def cast_roles(participants: int, attackers: int, *, auditor: bool = True) -> dict[str, str]:
    """``participant-1`` … and the auditor; the last ``attackers`` of the participants are malicious."""
    roles = {
        f"participant-{number}": "malicious" if number > participants - attackers else "benign"
        for number in range(1, participants + 1)
    }
    return {**roles, AUDITOR: "auditor"} if auditor else roles


def default_attackers(scenario: Scenario) -> int:
    """As many as the scenario says, where it has an attack."""
    return scenario.attack.participants if scenario.attack.rounds else 0


def coordinator_arguments(run: LocalRun, *, bind: str = ANY_LOCAL_PORT, resume: bool = False) -> list[str]:
    """The coordinator's command line, after ``fedmeta``."""
    overrides = [argument for override in run.overrides for argument in ("--set", override)]
    return [
        *(["--debug"] if run.debug else []),
        *("coordinator", "start", str(run.scenario)),
        *("--bind", bind, "--run-dir", str(run.run_dir)),
        *("--keys", str(run.keys)),
        *overrides,
        *(["--resume"] if resume else ["--from", str(run.origin)] if run.origin else []),
        *("--parent", str(run.parent)),
    ]


def participant_arguments(run: LocalRun, name: str, endpoint: str) -> list[str]:
    """A participant's command line, after ``fedmeta``."""
    folder = run.run_dir / "participants"
    attackers = [other for other, role in run.roles.items() if role == "malicious"]
    together = f"{attackers.index(name) + 1}/{len(attackers)}" if name in attackers else None
    return [
        *(["--debug"] if run.debug else []),
        *("participant", "start", "--coordinator", endpoint, "--name", name, "--role", run.roles[name]),
        *("--key", str(run.keys / f"{name}.key"), "--coordinator-key", str(run.keys / "coordinator.pub")),
        *(["--attacker", together] if together else []),
        *("--device", run.device),
        *(["--data-dir", str(run.data_dir)] if run.data_dir else []),
        *("--state-dir", str(folder / name), "--log", str(folder / f"{name}.jsonl")),
        *("--parent", str(run.parent)),
    ]
