"""``python -m benchmarks measure`` measures and writes docs/BENCHMARKS.md; ``python -m benchmarks page`` only
writes it, from what was kept."""

from functools import partial
from pathlib import Path

import click

from benchmarks import results
from benchmarks.page import document, figure, scaling
from benchmarks.plan import FULL, QUICK
from benchmarks.results import Results
from benchmarks.suite import PARTS
from benchmarks.suite import measure as measure_parts
from protocol.errors import UsageProblem
from protocol.files import write_whole

MEASURED = Path("measured/benchmarks.json")


@click.group()
def benchmarks() -> None:
    """What is measured in the open."""


folder_option = click.option(
    "--docs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs"),
    show_default=True,
    help="Where the page goes; measured/ and figures/ are in it.",
)


@benchmarks.command()
@folder_option
@click.option("--quick", is_flag=True, help="A look: fewer cases, two repetitions.")
@click.option("--only", multiple=True, type=click.Choice(list(PARTS)), help="These parts; the others stay.")
def measure(docs: Path, quick: bool, only: tuple[str, ...]) -> None:
    """Measure, and write the page."""
    path = docs / MEASURED
    found = _kept(path) if only and path.exists() else Results()
    found.quick = quick or (bool(only) and found.quick)
    measure_parts(QUICK if quick else FULL, only or tuple(PARTS), found, path, partial(click.echo, err=True))
    _write(found, docs)
    if found.failures:
        raise click.ClickException(f"could not be measured: {', '.join(found.failures)}")


@benchmarks.command()
@folder_option
def page(docs: Path) -> None:
    """Write the page again, without measuring."""
    _write(_kept(docs / MEASURED), docs)


def _kept(path: Path) -> Results:
    try:
        return results.read(path)
    except UsageProblem as problem:
        raise click.ClickException(str(problem)) from problem


def _write(found: Results, docs: Path) -> None:
    fits = scaling.scaling(found.sides)
    if found.sides:
        figure.write(found.sides, fits.round if fits else None, docs / "figures")
    write_whole(docs / "BENCHMARKS.md", document.page(found).encode())
    click.echo(f"written: {docs / 'BENCHMARKS.md'}", err=True)


if __name__ == "__main__":
    benchmarks()
