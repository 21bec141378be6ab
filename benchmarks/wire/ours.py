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
MANY = (sys.executable, "-m", "benchmarks.wire.many")
MOST_PROCESSES = 4


@dataclass(frozen=True)
class Case:
    parameters: int
    participants: int
    keys: bool

    @property
    def processes(self) -> int:
        """That the participants are in, on both sides: more of them than this share one."""
        return min(self.participants, MOST_PROCESSES)


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
    each = case.participants // case.processes
    groups = [f"participant-{number}" for number in range(case.processes)]
    assert each * case.processes == case.participants, f"{MOST_PROCESSES} processes have to hold as many each"
    names = groups if each == 1 else [f"{group}-{number}" for group in groups for number in range(each)]
    environment = {"LIGHT_PARAMETERS": str(case.parameters), "LIGHT_WORK_S": "0"}
    options = _settings(case, count)
    if case.keys:
        provide(folder / "keys", tuple(names))
        options += ["--keys", str(folder / "keys")]
    with running_in(folder, folder / "cache", ECHO, **environment) as processes:
        coordinator = processes.start_coordinator(write_tiny(folder), folder / "run", *options)
        coordinator.wait_for("run_waiting")
        idle = resident_kib(coordinator.pid)
        for group in groups:
            if each == 1:
                own = key_options(folder / "keys", group) if case.keys else ()
                processes.start_participant(coordinator, group, "benign", *own)
            else:
                keys = [str(folder / "keys")] if case.keys else []
                processes.other(MANY, coordinator.endpoint, group, str(each), *keys)
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
