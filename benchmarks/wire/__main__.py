"""A round's own cost, against bare sockets that move the same bytes, and against Flower, alternately.

python -m benchmarks.wire [--parameters N]... [--participants N]... [--keys] [--repetitions N] [--side
NAME]...

On all sides the participants return their input plus one. ``busy``: processor seconds a round of the
coordinator's process, and of all.
"""

import statistics
import tempfile
from functools import partial
from pathlib import Path

import click

from benchmarks.spread import Spread, ratios
from benchmarks.wire import ours
from benchmarks.wire.measured import Case
from benchmarks.wire.sides import SIDES, Side, available, compare


@click.command()
@click.option("--parameters", multiple=True, type=int, default=(110_000, 10_000_000), show_default=True)
@click.option("--participants", multiple=True, type=int, default=(4,), show_default=True)
@click.option("--keys", is_flag=True, help="CURVE, or TLS, on all sides.")
@click.option("--repetitions", default=5, show_default=True)
@click.option("--side", "names", multiple=True, type=click.Choice(list(SIDES)), help="These; else all.")
@click.option("--watch", is_flag=True, help="Ours once more, for the longest time without an answer.")
def main(
    parameters: tuple[int, ...],
    participants: tuple[int, ...],
    keys: bool,
    repetitions: int,
    names: tuple[str, ...],
    watch: bool,
) -> None:
    for case in (Case(size, number, keys) for size in parameters for number in participants):
        sides = compare(case, names or available(case), repetitions, partial(click.echo, err=True))
        click.echo(case)
        for side in sides:
            click.echo(f"  {describe(side)}")
        mine = next((side for side in sides if side.name == "ours"), None)
        for other in sides:
            if mine is not None and other is not mine:
                ratio = ratios([go.round_s for go in mine.goes], [go.round_s for go in other.goes])
                click.echo(f"  ours against {other.name}: {ratio}")
        if watch:
            with tempfile.TemporaryDirectory() as folder:
                found = ours.watched(case, Path(folder))
            click.echo(
                f"  longest pause {1000 * found.pause_s:.1f} ms, with a processor for "
                f"{1000 * found.busy_s:.1f}; longest without an answer "
                f"{1000 * found.answer_s:.1f} ms, of {found.heartbeats} "
                f"heartbeats; the watcher was late by up to {1000 * found.late_s:.1f} ms"
            )


def describe(side: Side) -> str:
    took = Spread.of([1000 * go.round_s for go in side.goes])
    slow = 1000 * statistics.median(go.slow_s for go in side.goes)
    busy = 1000 * statistics.median(go.busy_s for go in side.goes)
    everybody = 1000 * statistics.median(go.everybody_s for go in side.goes)
    peak = max(go.peak_kib for go in side.goes) / 1024
    over = max(go.peak_kib - go.idle_kib for go in side.goes) / 1024
    return (
        f"{side.name:<11}{took} ms (95 %: {slow:.2f})  busy {busy:.2f}, all {everybody:.2f} ms  "
        f"peak {peak:.0f} MiB, {over:.0f} over idle"
    )


if __name__ == "__main__":
    main()
