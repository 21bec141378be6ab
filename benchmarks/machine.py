"""On what something was measured, and what else that had to do meanwhile."""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import zmq

from benchmarks.wire.measured import REPOSITORY

# Of the processors: from here on figures are not those of an idle machine.
IDLE_SHARE = 0.05
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Conditions:
    """``load_before``, ``load_after``: processes that wanted to run, averaged over a minute; the
    measurement's own are in the second. ``others``, ``stolen``: shares of all processors' time that other
    programs had, and that the machine underneath gave to somebody else."""

    date: str
    commit: str
    machine: str
    software: str
    seconds: float
    load_before: float
    load_after: float
    others: float
    stolen: float

    @property
    def idle(self) -> bool:
        """Whether the machine had nothing else to do."""
        return self.others <= IDLE_SHARE and self.stolen <= IDLE_SHARE


class Observed:
    """``conditions`` are there once what was observed is over."""

    conditions: Conditions


@contextmanager
def observed(software: str) -> Iterator[Observed]:
    """Around what is measured, all of whose processes have ended and been waited for at the end.
    ``software``: what else than this project it was measured with, by version."""
    found = Observed()
    commit, load, begun = described(), os.getloadavg()[0], time.monotonic()
    before, ours = _processors(), _own_s()
    yield found
    after = _processors()
    passed = after.all_s - before.all_s
    others = (after.busy_s - before.busy_s) - (_own_s() - ours)
    found.conditions = Conditions(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=commit,
        machine=hardware(),
        software=software,
        seconds=time.monotonic() - begun,
        load_before=load,
        load_after=os.getloadavg()[0],
        others=max(0.0, others / passed) if passed else 0.0,
        stolen=(after.stolen_s - before.stolen_s) / passed if passed else 0.0,
    )


def facts() -> list[str]:
    """What was measured, and on what."""
    day = _git("show", "-s", "--format=%cs") or UNKNOWN
    return [
        f"fedmeta {version('fedmeta')}, commit {described()}, of {day}",
        libraries(),
        hardware(),
    ]


def libraries() -> str:
    return f"libzmq {zmq.zmq_version()}, pyzmq {zmq.__version__}, Python {platform.python_version()}"


def hardware() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores ({_cpu()}), {memory:.0f} GiB of memory"
    return f"{platform.system()} {platform.release()}, {machine}"


def available_bytes() -> int:
    """Memory that a program could still have."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def described() -> str:
    """The commit, and whether what runs is another; the page and its figures, which are written between the
    parts of a measurement, do not run."""
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return (_git("describe", "--always", "--abbrev=12") or UNKNOWN) + ("-dirty" if changed else "")


@dataclass(frozen=True)
class _Processors:
    all_s: float
    busy_s: float
    stolen_s: float


def _processors() -> _Processors:
    """Since the machine was started. Interrupts are in none of ``busy_s``: the kernel counts a connection
    within the machine among them, and not with the process that uses it."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, idle, waiting, interrupts, soft, stolen = (
        tick / os.sysconf("SC_CLK_TCK") for tick in ticks
    )
    everything = user + nice + system + idle + waiting + interrupts + soft + stolen
    return _Processors(everything, user + nice + system, stolen)


def _own_s() -> float:
    """Of this process, and of all below it that have been waited for."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
