"""What processes and sockets cost: seconds a round of a federation, against the same rounds in one process.

``python -m benchmarks.rounds [--rounds N] [--participants N] [--repetitions N]``. All run in this call, one
after the other, on the CPU, and must give the same model. With as many cores as participants the federation
tends to be as many times faster; on one core it is slower by what the wire, the codec, aggregation and the
journal cost. BlazeFL is beside them where it is installed (``make build/peers/blazefl/.installed
BLAZEFL=python3.12``)."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import click

from benchmarks.local import WARM_UP, Took, overrides, scenario_of
from benchmarks.peers.installed import BLAZEFL, installed
from benchmarks.program import SideFailed, told_by
from benchmarks.spread import Comparison, Spread
from protocol.manifest import Parameters
from tests.simulation import rounds as rounds_of
from tests.system.failures.federation import when

POOLS = ("processes", "threads")


@dataclass(frozen=True)
class Found:
    """``alone``: against one process. ``peers``: against each of BlazeFL's pools, where it is installed;
    ``failures``: why one is not there."""

    alone: Comparison
    peers: list[Comparison]
    failures: list[str]


@click.command()
@click.option("--rounds", default=110, show_default=True, type=click.IntRange(min=WARM_UP + 2))
@click.option("--participants", default=4, show_default=True)
@click.option("--repetitions", default=1, show_default=True)
def main(rounds: int, participants: int, repetitions: int) -> None:
    found = measure(rounds, participants, repetitions, partial(click.echo, err=True))
    print(f"cores {os.cpu_count()}, participants {participants}, rounds {rounds}; seconds a round")
    print(f"fedmeta {Spread.of(found.alone.ours_s)}")
    for one in (found.alone, *found.peers):
        print(f"{one.what} {Spread.of(one.reference_s)}: fedmeta is {one.times_faster} times faster")
    for failure in found.failures:
        click.echo(failure, err=True)


def measure(rounds: int, participants: int, repetitions: int, say: Callable[[str], None]) -> Found:
    """Seconds a round. Raises ``ClickException`` where the models differ; a peer that fails is left out."""
    found = Found(Comparison("one process"), [], [])
    peers = {pool: Comparison(f"BlazeFL, {pool}") for pool in (POOLS if installed(BLAZEFL) else ())}
    for repetition in range(repetitions):
        with tempfile.TemporaryDirectory() as folder:
            ours = processes(rounds, participants, Path(folder))
            _note(found.alone, one_process(rounds, participants, Path(folder)), ours)
        for pool, comparison in list(peers.items()):
            try:
                _note(comparison, blazefl(pool, rounds, participants), ours)
            except (SideFailed, click.ClickException) as failure:
                del peers[pool]
                found.failures.append(str(failure))
        took = ", ".join(
            f"{1000 * one.reference_s[-1]:.1f} ms {one.what}" for one in (found.alone, *peers.values())
        )
        say(f"rounds, {repetition + 1} of {repetitions}: {1000 * ours.round_s:.1f} ms, {took}")
    found.peers.extend(peers.values())
    return found


def _note(comparison: Comparison, reference: Took, ours: Took) -> None:
    if reference.digest != ours.digest:
        raise click.ClickException(
            f"the models differ: {ours.digest}, and of {comparison.what} {reference.digest}"
        )
    comparison.reference_s.append(reference.round_s)
    comparison.ours_s.append(ours.round_s)


def one_process(rounds: int, participants: int, folder: Path) -> Took:
    roles = {f"participant-{number}": "benign" for number in range(1, participants + 1)}
    ends, models = [], deque[Parameters](maxlen=1)
    for _, model in rounds_of(scenario_of(rounds, participants), roles, folder):
        ends.append(time.perf_counter())
        models.append(model)
    return Took([later - earlier for earlier, later in pairwise(ends)], models[0].digest())


def processes(rounds: int, participants: int, folder: Path) -> Took:
    path, run_dir = folder / "rounds.toml", folder / "run"
    path.write_text("")
    settings = [part for override in overrides(rounds, participants) for part in ("--set", override)]
    command = [sys.executable, "-m", "deploy", "run", str(path), "--run-dir", str(run_dir), "--device", "cpu"]
    subprocess.run([*command, *settings], check=True, stdout=subprocess.DEVNULL)
    journal = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    completed = [line for line in journal if line["event"] == "round_completed"]
    ends = [when(line) for line in completed]
    return Took([later - earlier for earlier, later in pairwise(ends)], completed[-1]["model_digest"])


def blazefl(pool: str, rounds: int, participants: int) -> Took:
    return Took(**told_by(BLAZEFL, "benchmarks.peers.blazefl_rounds", pool, str(rounds), str(participants)))


if __name__ == "__main__":
    main()
