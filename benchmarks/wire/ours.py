"""Rounds of a real coordinator and real participants, with everything on that a user would have on."""

import os
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from protocol.key_files import provide
from tests.system.failures.crowd import processor_s, resident_kib
from tests.system.failures.federation import UNMEASURED, when
from tests.system.processes import key_options, running_in, write_tiny

ECHO = (sys.executable, "-m", "benchmarks.wire.echo")


@dataclass(frozen=True)
class Case:
    parameters: int
    participants: int
    keys: bool


@dataclass(frozen=True)
class Measured:
    """``seconds`` of rounds; the coordinator's processor seconds in so many ``rounds``, and its memory.
    ``idle_kib``: before anybody joined."""

    seconds: list[float]
    processor_s: float
    rounds: int
    peak_kib: int
    idle_kib: int = 0


def rounds(case: Case, folder: Path, count: int) -> Measured:
    names = [f"participant-{number}" for number in range(case.participants)]
    environment = {"LIGHT_PARAMETERS": str(case.parameters), "LIGHT_WORK_S": "0"}
    options = _settings(case, count)
    if case.keys:
        provide(folder / "keys", tuple(names))
        options += ["--keys", str(folder / "keys")]
    with running_in(folder, folder / "cache", ECHO, **environment) as processes:
        coordinator = processes.start_coordinator(write_tiny(folder), folder / "run", *options)
        coordinator.wait_for("run_waiting")
        idle = resident_kib(coordinator.pid)
        for name in names:
            own = key_options(folder / "keys", name) if case.keys else ()
            processes.start_participant(coordinator, name, "benign", *own)
        coordinator.wait_for("round_completed", timeout_s=600)
        before, first = processor_s(coordinator.pid), len(coordinator.events("round_completed"))
        _, status, usage = os.wait4(coordinator.pid, 0)
        coordinator.popen.returncode = os.waitstatus_to_exitcode(status)
        assert coordinator.popen.returncode == 0, coordinator.stderr
        ends = [when(entry) for entry in coordinator.events("round_completed")]
    return Measured(
        seconds=[later - earlier for earlier, later in pairwise(ends)],
        processor_s=usage.ru_utime + usage.ru_stime - before,
        rounds=count - first,
        peak_kib=usage.ru_maxrss,
        idle_kib=idle,
    )


def _settings(case: Case, count: int) -> list[str]:
    everybody = dict.fromkeys(("participants", "selected", "min_updates"), case.participants)
    # θ hardly moves, so that what is returned stays in range.
    rates = dict.fromkeys(("server_rate.initial", "server_rate.final", "server_rate.after"), 1e-6)
    rules = {**everybody, **rates, "rounds": count, "round_deadline_s": 600.0, "checkpoint_every": 100}
    overrides = {f"federation.{key}": value for key, value in rules.items()} | UNMEASURED
    return [part for key, value in overrides.items() for part in ("--set", f"{key}={value}")]
