"""A round's own cost, against bare sockets that move the same bytes, alternately in the same call.

python -m benchmarks.wire [--parameters N]... [--participants N]... [--keys] [--repeats N]

On both sides the participants return their input plus one. ``ratio`` is of the medians of the repeats'
medians; ``busy``: processor seconds a round of the coordinator's process.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.wire.ours import Case, Measured, rounds

WARM_UP = 3  # rounds
MOST_BYTES = 4_000_000_000  # that a repeat sends one way


@dataclass(frozen=True)
class Side:
    name: str
    repeats: list[Measured]

    @property
    def round_s(self) -> float:
        return statistics.median(statistics.median(one.seconds[WARM_UP:]) for one in self.repeats)

    def __str__(self) -> str:
        slow = statistics.median(
            statistics.quantiles(one.seconds[WARM_UP:], n=20)[-1] for one in self.repeats
        )
        busy = statistics.median(one.processor_s / one.rounds for one in self.repeats)
        peak = max(one.peak_kib for one in self.repeats) / 1024
        idle = max(one.idle_kib for one in self.repeats) / 1024
        memory = f"peak {peak:.0f} MiB" + (f", {peak - idle:.0f} over idle" if idle else "")
        return (
            f"  {self.name:<5} {1000 * self.round_s:8.2f} ms (95 %: {1000 * slow:.2f})  "
            f"busy {1000 * busy:.2f} ms  {memory}"
        )


@click.command()
@click.option("--parameters", multiple=True, type=int, default=(110_000, 10_000_000), show_default=True)
@click.option("--participants", multiple=True, type=int, default=(4,), show_default=True)
@click.option("--keys", is_flag=True, help="CURVE on both sides.")
@click.option("--repeats", default=5, show_default=True)
def main(parameters: tuple[int, ...], participants: tuple[int, ...], keys: bool, repeats: int) -> None:
    for size in parameters:
        for number in participants:
            compare(Case(size, number, keys), repeats)


def compare(case: Case, repeats: int) -> None:
    count = WARM_UP + max(10, min(300, MOST_BYTES // (4 * case.parameters * case.participants)))
    bare, ours = Side("bare", []), Side("ours", [])
    for _ in range(repeats):
        bare.repeats.append(bare_rounds(case, count))
        with tempfile.TemporaryDirectory() as folder:
            ours.repeats.append(rounds(case, Path(folder), count))
    print(f"{case.parameters:,} parameters, {case.participants} participants{', CURVE' if case.keys else ''}")
    print(f"{bare}\n{ours}\n  ratio {ours.round_s / bare.round_s:.2f}", flush=True)


def bare_rounds(case: Case, count: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.wire.bare"]
    command += map(str, (case.parameters, case.participants, case.processes, count))
    command += ["curve"] if case.keys else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(**json.loads(done.stdout))


if __name__ == "__main__":
    main()
