"""The run directory: whose it is, whether it holds a run, and the scenario that it was started with."""

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from protocol.errors import RunFailed, UsageProblem
from protocol.files import locked, write_whole
from protocol.scenario import Scenario, dump_scenario, load_scenario
from protocol.split import ClassSplit


class RunDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.scenario = path / "scenario.toml"
        self.journal = path / "journal.jsonl"
        self.checkpoints = path / "checkpoints"
        self.split = path / "split.json"

    def locked(self) -> AbstractContextManager[None]:
        """Make the directory and hold it for this process.

        Raises :class:`UsageProblem` when another coordinator has it, or when it cannot be made.
        """
        taken = "another coordinator is running here; end it first, or choose another --run-dir"
        return locked(self.path, "coordinator.lock", what="run directory", taken=taken)

    @property
    def holds_run(self) -> bool:
        return self.journal.exists() or any(self.checkpoints.glob("round-*.json"))

    def claim(self, scenario: Scenario) -> None:
        """For a new run. Raises :class:`UsageProblem` when there is one already."""
        if self.holds_run:
            raise UsageProblem(
                f"{self.path}: holds a run already; go on with it by --resume, or choose another --run-dir"
            )
        write_whole(self.scenario, dump_scenario(scenario).encode())

    def reclaim(self, scenario: Scenario) -> None:
        """To go on with the run that is here. Raises :class:`UsageProblem` when there is none, or when it was
        started with another scenario."""
        if not (self.holds_run and self.scenario.exists()):
            raise UsageProblem(f"{self.path}: holds no run to go on with; start one without --resume")
        key = first_difference(load_scenario(self.scenario), scenario)
        if key is not None:
            raise UsageProblem(
                f"{self.path}: the run here has another {key}; a run goes on with the scenario that it "
                f"was started with, {self.scenario}"
            )

    def says_completed(self) -> bool:
        """Whether the journal holds the run's end."""
        with contextlib.suppress(OSError), self.journal.open("rb") as lines:
            return any(b'"event": "run_completed"' in line for line in lines)
        return False

    def load_split(self) -> ClassSplit | None:
        try:
            return ClassSplit.model_validate_json(self.split.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise RunFailed(
                f"{self.split}: cannot be read; delete it to take the participants' word"
            ) from error


def first_difference(one: Scenario, other: Scenario) -> str | None:
    """The first key that differs, as ``section.key = value, not value``."""
    return _first_difference(one.model_dump(), other.model_dump(), "")


def _first_difference(one: dict[str, Any], other: dict[str, Any], prefix: str) -> str | None:
    for key, value in one.items():
        if isinstance(value, dict):
            found = _first_difference(value, other[key], f"{prefix}{key}.")
            if found is not None:
                return found
        elif value != other[key]:
            return f"{prefix}{key} ({value!r}, not {other[key]!r})"
    return None
