"""What processes and sockets cost: seconds a round of a federation, against the same rounds in one process.

``python -m benchmarks.rounds [--rounds N] [--participants N] [--repetitions N]``. Both run in this call, one
after the other, on the CPU, and must give the same model. With as many cores as participants the federation
tends to be as many times faster; on one core it is slower by what the wire, the codec, aggregation and the
journal cost."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from benchmarks.spread import Comparison, Spread
from protocol.scenario import parse_scenario
from tests.simulation import simulate

WARM_UP = 10


@click.command()
@click.option("--rounds", default=110, show_default=True)
@click.option("--participants", default=4, show_default=True)
@click.option("--repetitions", default=1, show_default=True)
def main(rounds: int, participants: int, repetitions: int) -> None:
    found = measure(rounds, participants, repetitions, partial(click.echo, err=True))
    print(f"cores {os.cpu_count()}, participants {participants}, rounds {rounds}; seconds a round")
    print(f"one process    {Spread.of(found.reference_s)}")
    print(f"processes      {Spread.of(found.ours_s)}")
    print(f"times faster   {found.times_faster}")


def measure(rounds: int, participants: int, repetitions: int, say: Callable[[str], None]) -> Comparison:
    """Seconds a round: the reference is one process. Raises ``ClickException`` where the models differ."""
    overrides = [
        f"federation.rounds={rounds}",
        *(f"federation.{key}={participants}" for key in ("participants", "selected", "min_updates")),
        "evaluation.episodes=1",
        "evaluation.adaptation_steps=0",
    ]
    found = Comparison(f"{participants} participants")
    for repetition in range(repetitions):
        with tempfile.TemporaryDirectory() as folder:
            alone_s, alone = one_process(overrides, participants, Path(folder))
            together_s, together = processes(overrides, Path(folder))
        if alone != together:
            raise click.ClickException(f"the models differ: {alone} and {together}")
        found.reference_s.append(alone_s)
        found.ours_s.append(together_s)
        say(f"rounds, {repetition + 1} of {repetitions}: alone {alone_s:.3f} s, together {together_s:.3f} s")
    return found


def one_process(overrides: list[str], participants: int, folder: Path) -> tuple[float, str]:
    """Mean seconds a round, and the last model's digest."""
    scenario = parse_scenario("", overrides)
    roles = {f"participant-{number}": "benign" for number in range(1, participants + 1)}
    begun = time.perf_counter()
    digests = simulate(scenario, roles, folder)
    return (time.perf_counter() - begun) / len(digests), digests[max(digests)]


def processes(overrides: list[str], folder: Path) -> tuple[float, str]:
    """Median seconds from one round's end to the next after a warm-up, and the last model's digest."""
    path, run_dir = folder / "rounds.toml", folder / "run"
    path.write_text("")
    settings = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-m", "deploy", "run", str(path), "--run-dir", str(run_dir), "--device", "cpu"]
    subprocess.run([*command, *settings], check=True, stdout=subprocess.DEVNULL)
    journal = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    completed = [line for line in journal if line["event"] == "round_completed"]
    return statistics.median(line["seconds"] for line in completed[WARM_UP:]), completed[-1]["model_digest"]


if __name__ == "__main__":
    main()
