"""A federation that is disturbed: its processes can be killed, stopped and started again by name."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from protocol.key_files import provide
from tests.system.lab.hosts import REPOSITORY, Laboratory
from tests.system.processes import (
    FEDMETA,
    TIMEOUT_S,
    Coordinator,
    Process,
    Processes,
    digests,
    key_options,
    matching,
    running_in,
    write_tiny,
)

LIGHT = (sys.executable, "-m", "tests.system.failures.light")
NAMES = ("ann", "bob", "cid")
# Rounds wait for whoever is away: with other updates the model would be another one.
PATIENT = {"round_deadline_s": 600.0, "checkpoint_every": 3}
UNMEASURED = {"attack.rounds": "[]", "evaluation.rounds": "[]", "evaluation.deadline_s": 0.1}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``program``: what is started. ``environment``: of all its processes. ``settings``: of the scenario's
    ``[federation]`` or, with a dot, of another section. ``names``: of participants that are started, each
    with a key; ``guests`` have keys, too."""

    program: Sequence[str] = LIGHT
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    names: tuple[str, ...] = NAMES
    guests: tuple[str, ...] = ()


REAL = tuple(FEDMETA)


class Federation:
    """Started at once, in ``folder``; each participant on a host of its own, if there is a ``lab``."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        kind: Kind,
        lab: Laboratory | None = None,
        coordinator_environment: dict[str, str] | None = None,
    ) -> None:
        self.run_dir = folder / "run"
        self.kind = kind
        self.lab = lab
        self._processes = processes
        self._logs = folder
        self._environment = coordinator_environment or {}
        self._scenario = write_tiny(folder)
        self.keys = folder / "keys"
        provide(self.keys, (*kind.names, *kind.guests))
        self._lines = Lines(self.run_dir / "journal.jsonl")
        self.coordinator = self._start()
        self.endpoint = self.coordinator.endpoint
        self.participants: dict[str, Process] = {}
        for name in kind.names:
            self.start(name)

    def start(self, name: str, endpoint: str | None = None, **environment: str) -> None:
        """``endpoint``: None for the coordinator's own."""
        host = None if self.lab is None else self.lab.namespace(name)
        options = ["--log", str(self._logs / f"{name}.jsonl"), *key_options(self.keys, name)]
        self.participants[name] = self._processes.start_participant(
            endpoint or self.endpoint, name, "benign", *options, host=host, **environment
        )

    def python(self, module: str, *arguments: str) -> Process:
        """A module of these tests, as a process that ends with the federation."""
        return self._processes.other((sys.executable, "-m", module), *arguments)

    def restart(self, name: str) -> None:
        """Kill it, and start it again."""
        self.participants[name].kill()
        self.start(name)

    def resume(self) -> None:
        """Start the coordinator again, where it was."""
        self.coordinator = self._start(bind=self.endpoint, resume=True)
        self.coordinator.wait_for("run_resumed")

    def journal(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Of all its coordinators so far."""
        return matching(self._lines.read(), event, fields)

    def log(self, name: str, event: str) -> list[dict[str, Any]]:
        """What a participant has logged, in all its processes."""
        path = self._logs / f"{name}.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return matching([json.loads(line) for line in lines], event, {})

    def round(self) -> int:
        """The last that was begun."""
        return max((entry["round"] for entry in self.journal("round_started")), default=0)

    def finish(self, timeout_s: float = TIMEOUT_S) -> dict[int, str]:
        """Round → model digest, once it is complete."""
        assert self.coordinator.wait(timeout_s) == 0, self.coordinator.stderr
        return digests(self.run_dir)

    def _start(self, bind: str | None = None, resume: bool = False) -> Coordinator:
        all_of_them = dict.fromkeys(("participants", "selected", "min_updates"), len(self.kind.names))
        settings: dict[str, object] = {**all_of_them, **PATIENT, **UNMEASURED, **self.kind.settings}
        if bind is None:
            bind = f"tcp://{'127.0.0.1' if self.lab is None else self.lab.address('coordinator')}:*"
        return self._processes.start_coordinator(
            self._scenario,
            self.run_dir,
            *[part for key, value in settings.items() for part in ("--set", f"{_key(key)}={value}")],
            *("--keys", str(self.keys)),
            bind=bind,
            resume=resume,
            host=None if self.lab is None else self.lab.namespace("coordinator"),
            **self._environment,
        )


class Lines:
    """A journal that is read again and again: each time only what has come since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._events: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        """Its whole lines so far; one that was torn by a kill is left out."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                whole, newline, _ = file.read().rpartition(b"\n")
            self._at += len(whole) + len(newline)
            for line in whole.splitlines():
                with suppress(ValueError):
                    self._events.append(json.loads(line))
        return self._events


def _key(key: str) -> str:
    return key if "." in key else f"federation.{key}"


@contextmanager
def federation(
    folder: Path,
    cache: Path,
    kind: Kind,
    lab: Laboratory | None = None,
    coordinator_environment: dict[str, str] | None = None,
) -> Iterator[Federation]:
    """None of its processes outlives it."""
    environment = {"PYTHONPATH": str(REPOSITORY), **kind.environment}
    with running_in(folder, cache, kind.program, **environment) as processes:
        yield Federation(processes, folder, kind, lab, coordinator_environment)


def undisturbed(folder: Path, cache: Path, kind: Kind) -> dict[int, str]:
    """Round → model digest of a run to which nothing happens."""
    with federation(folder, cache, kind) as one:
        return one.finish(timeout_s=3600)


def when(entry: dict[str, Any]) -> float:
    """Seconds since the epoch of a line in a journal."""
    return datetime.fromisoformat(entry["timestamp"]).timestamp()


def stop(process: Process) -> None:
    process.send(signal.SIGSTOP)


def go_on(process: Process) -> None:
    process.send(signal.SIGCONT)


def wait_until(question: Any, what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Of files and of other processes, which have nothing to wait on."""
    deadline = time.monotonic() + timeout_s
    while not question():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)
