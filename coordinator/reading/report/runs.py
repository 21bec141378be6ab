"""The runs that a report is about, read from their directories."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coordinator.reading.cli import find_journal, roles_of, scenario_of
from coordinator.reading.fold import read_history
from coordinator.reading.history import RunHistory
from coordinator.reading.pooling import Measured, in_order, pooled
from protocol.errors import UsageProblem
from protocol.scenario import Scenario


@dataclass(frozen=True)
class Run:
    """``label`` names the run in figures and tables. ``scenario`` is None and ``roles`` empty where the
    directory does not hold them."""

    label: str
    directory: Path
    history: RunHistory
    scenario: Scenario | None = None
    roles: dict[str, str] = field(default_factory=dict)

    @property
    def attacks(self) -> tuple[int, ...]:
        """The rounds of the attack that the run has reached."""
        last = self.history.newest
        return tuple(r for r in self.scenario.attack.rounds if r <= last) if self.scenario else ()

    @property
    def way(self) -> int | None:
        return self.scenario.task.way if self.scenario else None

    @property
    def decisions(self) -> tuple[str, ...]:
        """Those measured, in the scenario's order."""
        listed = self.scenario.decision.names if self.scenario else ()
        found = {evaluation.decision for evaluation in self.history.evaluations}
        return (*(name for name in listed if name in found), *sorted(found - set(listed)))

    def measured(self) -> tuple[Measured, ...]:
        """Every setting, pooled over those who measured it (not over malicious ones), in order."""
        return in_order(pooled(self.history.evaluations, self.roles), self.decisions)


def read_runs(directories: Sequence[Path]) -> list[Run]:
    """Read each directory. Raises :class:`UsageProblem` for one that is no run, is empty or comes twice."""
    seen: dict[Path, Path] = {}
    for directory in directories:
        if (earlier := seen.get(directory.resolve())) is not None:
            also = "" if earlier == directory else f" (as {earlier} already)"
            raise UsageProblem(f"{directory}: this run is given twice{also}; name each run once")
        seen[directory.resolve()] = directory
    labels = labels_of(list(seen))
    return [_read(lasting(directory), label) for directory, label in zip(directories, labels, strict=True)]


def lasting(directory: Path) -> Path:
    """The same without links: `runs/latest` is another run tomorrow, and a report is read then as well."""
    resolved = directory.resolve()
    if resolved == directory.absolute():
        return directory
    here = Path.cwd().resolve()
    return resolved.relative_to(here) if resolved.is_relative_to(here) else resolved


def _read(directory: Path, label: str) -> Run:
    journal = find_journal(directory)
    with journal.open(encoding="utf-8", errors="replace") as lines:
        history = read_history(lines)
    if history.info.started is None:
        why = (
            f"none of its {history.unreadable} lines can be read"
            if history.unreadable
            else "holds no event yet"
        )
        raise UsageProblem(f"{journal}: {why}; a report needs a run that has begun")
    return Run(label, directory, history, scenario_of(directory), roles_of(directory))


def labels_of(directories: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell all of them apart; names where these do."""
    for depth in range(1, max(len(d.parts) for d in directories) + 1):
        labels = ["/".join(d.parts[-depth:]) for d in directories]
        if len(set(labels)) == len(labels):
            return labels
    raise AssertionError("paths that differ")
