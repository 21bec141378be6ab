"""Rounds of a real coordinator and real participants, with everything on that a user would have on."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.wire.measured import REPOSITORY, WARM_UP, Case, Go
from protocol.key_files import provide
from tests.system.failures.federation import UNMEASURED, when
from tests.system.processes import Coordinator, Process, Processes, key_options, running_in, write_tiny
from tests.system.usage import peak_kib, processor_s, resident_kib

ECHO = (sys.executable, "-m", "benchmarks.wire.echo")
MANY = (sys.executable, "-m", "benchmarks.wire.many")
WATCHER = (sys.executable, "-m", "benchmarks.wire.watcher")
TIMEOUT_S = 1200.0
BETWEEN_SAMPLES_S = 0.02
# As in a scenario that says nothing about them.
USUAL = {"heartbeat_s": 1.0, "liveness_s": 10.0, "checkpoint_every": 25}


@dataclass(frozen=True)
class Watched:
    """``pause_s``: the longest for which the coordinator took no message in any round, by itself, where its
    loop had a processor for ``busy_s``. ``answer_s``: the longest that it took to answer one of so many
    ``heartbeats``. ``late_s``: the most by which the watcher's own process ran later than it wanted to."""

    case: Case
    pause_s: float
    busy_s: float
    answer_s: float
    late_s: float
    heartbeats: int


def rounds(case: Case, folder: Path) -> Go:
    with _coordinator(case, folder, ()) as (processes, coordinator):
        idle = resident_kib(coordinator.pid)
        participants = _participants(processes, coordinator, case, folder)
        samples = _until_it_ends(coordinator, participants)
        ends = [when(entry) for entry in coordinator.events("round_completed")]
    first, last = ends[WARM_UP - 1], ends[-1]
    peak = samples[-1].peak_kib
    early, *_, late = [sample for sample in samples if first <= sample.at <= last]
    share = (last - first) / (late.at - early.at)
    used = [
        share * (after - before) for before, after in zip(early.processor_s, late.processor_s, strict=True)
    ]
    seconds = [later - earlier for earlier, later in pairwise(ends[WARM_UP - 1 :])]
    return Go.of(seconds, used[0], sum(used), idle, peak)


def watched(case: Case, folder: Path) -> Watched:
    """A run of its own, since to be watched costs a little."""
    name = "watcher"
    with _coordinator(case, folder, (name,)) as (processes, coordinator):
        watcher = processes.other(WATCHER, coordinator.endpoint, name, *_keys(case, folder))
        coordinator.wait_for("participant_joined")
        _participants(processes, coordinator, case, folder)
        assert coordinator.wait(TIMEOUT_S) == 0, coordinator.stderr
        assert watcher.wait() == 0, watcher.stderr
        pause_s, busy_s = max(
            (entry["longest_pause_s"], entry["longest_pause_busy_s"])
            for entry in coordinator.events("round_completed")
        )
        return Watched(case, pause_s, busy_s, **json.loads(watcher.stdout))


@contextmanager
def _coordinator(
    case: Case, folder: Path, guests: tuple[str, ...]
) -> Iterator[tuple[Processes, Coordinator]]:
    """It waits for the participants of the case. ``guests`` have keys, too."""
    environment = {
        "LIGHT_PARAMETERS": str(case.parameters),
        "LIGHT_WORK_S": "0",
        "PYTHONPATH": str(REPOSITORY),
    }
    options = _settings(case)
    if case.keys:
        provide(folder / "keys", (*_names(case), *guests))
        options += ["--keys", str(folder / "keys")]
    with running_in(folder, folder / "cache", ECHO, **environment) as processes:
        coordinator = processes.start_coordinator(write_tiny(folder), folder / "run", *options)
        coordinator.wait_for("run_waiting", TIMEOUT_S)
        yield processes, coordinator


def _participants(processes: Processes, coordinator: Coordinator, case: Case, folder: Path) -> list[Process]:
    return [
        processes.start_participant(
            coordinator, group, "benign", *(key_options(folder / "keys", group) if case.keys else ())
        )
        if count == 1
        else processes.other(MANY, coordinator.endpoint, group, str(count), *_keys(case, folder))
        for group, count in _groups(case)
    ]


def _names(case: Case) -> list[str]:
    return [
        name
        for group, count in _groups(case)
        for name in ([group] if count == 1 else [f"{group}-{number}" for number in range(count)])
    ]


def _groups(case: Case) -> list[tuple[str, int]]:
    """What is in each process, and how many."""
    return [(f"participant-{number}", count) for number, count in enumerate(case.shared_out())]


def _keys(case: Case, folder: Path) -> tuple[str, ...]:
    return (str(folder / "keys"),) if case.keys else ()


@dataclass(frozen=True)
class _Sample:
    """Of the coordinator's and the participants' processes; ``at``: seconds since the epoch."""

    at: float
    processor_s: list[float]
    peak_kib: int


def _until_it_ends(coordinator: Coordinator, participants: list[Process]) -> list[_Sample]:
    """The journal is not looked at meanwhile, since that takes time, too. And a process's peak that the
    system tells when it has ended is never less than that of the one that started it."""
    samples: list[_Sample] = []
    while coordinator.popen.poll() is None:
        with suppress(ProcessLookupError):  # it has just ended
            used = [processor_s(process.pid) for process in (coordinator, *participants)]
            samples.append(_Sample(time.time(), used, peak_kib(coordinator.pid)))
        time.sleep(BETWEEN_SAMPLES_S)
    assert coordinator.popen.returncode == 0, coordinator.stderr
    return samples


def _settings(case: Case) -> list[str]:
    everybody = dict.fromkeys(("participants", "selected", "min_updates"), case.participants)
    # θ hardly moves, so that what is returned stays in range.
    rates = dict.fromkeys(("server_rate.initial", "server_rate.final", "server_rate.after"), 1e-6)
    rules = {**USUAL, **everybody, **rates, "rounds": WARM_UP + case.rounds, "round_deadline_s": 600.0}
    overrides = {f"federation.{key}": value for key, value in rules.items()} | UNMEASURED
    return [part for key, value in overrides.items() for part in ("--set", f"{key}={value}")]
