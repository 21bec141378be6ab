"""How long one waits before anything happens: python -m benchmarks.starting [--repetitions N]

``fedmeta --help``; a participant, until the coordinator knows it and until it can train, against ``import
torch`` alone; the data set ``strokes`` with 1,000 classes on one core, first drawn and then from the cache.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import click

from benchmarks.spread import Comparison, Spread
from tests.system.failures.federation import when
from tests.system.processes import FEDMETA, running_in, write_tiny

TORCH_LOADED = (
    "import sys; from deploy.cli import main\n"
    "try: main(['--help'])\n"
    "except SystemExit: print('torch' in sys.modules)"
)
CLASSES = 1000
# With the module there already: what is asked for is the data set's own time.
STROKES = f"""
import os, sys, time
from participant.data import load_dataset
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
begun = time.perf_counter()
load_dataset("strokes", classes={CLASSES})
print(time.perf_counter() - begun)
"""


@dataclass(frozen=True)
class Starting:
    """Seconds. ``joined`` and ``ready`` are of the same participants, the reference ``import torch``;
    ``torch_in_help``: whether ``fedmeta --help`` imports it."""

    torch_in_help: bool
    help_s: list[float] = field(default_factory=list)
    joined: Comparison = field(default_factory=lambda: Comparison("a participant until it has joined"))
    ready: Comparison = field(default_factory=lambda: Comparison("until it can train"))
    drawn_s: list[float] = field(default_factory=list)
    cached_s: list[float] = field(default_factory=list)


def measure(repetitions: int, say: Callable[[str], None]) -> Starting:
    loaded = _output([sys.executable, "-c", TORCH_LOADED]).splitlines()[-1]
    found = Starting(torch_in_help=loaded == "True")
    with tempfile.TemporaryDirectory(prefix="fedmeta-bench-") as name:
        folder = Path(name)
        _start_a_participant(folder / "first", folder / "cache")  # draws its data set, which others then find
        for repetition in range(repetitions):
            found.help_s.append(_seconds([*FEDMETA, "--help"]))
            torch_s = _seconds([sys.executable, "-c", "import torch"])
            joined_s, ready_s = _start_a_participant(folder / str(repetition), folder / "cache")
            for comparison, took in ((found.joined, joined_s), (found.ready, ready_s)):
                comparison.reference_s.append(torch_s)
                comparison.ours_s.append(took)
            cache = {"XDG_CACHE_HOME": str(folder / f"cache-{repetition}"), "OMP_NUM_THREADS": "1"}
            for times in (found.drawn_s, found.cached_s):
                times.append(float(_output([sys.executable, "-c", STROKES], cache)))
            say(
                f"starting, {repetition + 1} of {repetitions}: "
                f"import torch {torch_s:.2f} s, ready {ready_s:.2f} s"
            )
    return found


def _start_a_participant(folder: Path, cache: Path) -> tuple[float, float]:
    """Seconds until it has joined, and until it is ready."""
    with running_in(folder, cache) as processes:
        coordinator = processes.start_coordinator(write_tiny(folder), folder / "run")
        coordinator.wait_for("run_waiting")
        begun = time.time()
        processes.start_participant(coordinator, "ann")
        ready = coordinator.wait_for("participant_ready")
        return when(coordinator.wait_for("participant_joined")) - begun, when(ready) - begun


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    _output(command)
    return time.perf_counter() - begun


def _output(command: list[str], environment: dict[str, str] | None = None) -> str:
    surroundings = {**os.environ, **(environment or {})}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings).stdout


@click.command()
@click.option("--repetitions", default=5, show_default=True)
def main(repetitions: int) -> None:
    found = measure(repetitions, partial(click.echo, err=True))
    loaded = "imported" if found.torch_in_help else "not imported"
    click.echo(f"fedmeta --help       {Spread.of(found.help_s)} s, torch {loaded}")
    click.echo(f"import torch         {Spread.of(found.joined.reference_s)} s")
    for comparison in (found.joined, found.ready):
        ratio = comparison.times_as_long
        click.echo(f"{comparison.what:<34} {Spread.of(comparison.ours_s)} s, ratio {ratio}")
    click.echo(
        f"strokes, {CLASSES} classes {Spread.of(found.drawn_s)} s, cached {Spread.of(found.cached_s)} s"
    )


if __name__ == "__main__":
    main()
