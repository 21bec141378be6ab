"""``python -m benchmarks.soak [--write docs/RELIABILITY.md] [--only NAME]... [--folder DIR]``: an hour."""

import tempfile
import time
from pathlib import Path

import click
import pytest

from benchmarks.soak.page import Result, page
from benchmarks.soak.rows import ROWS, Row, Surroundings, Undisturbed


@click.command()
@click.option(
    "--write", type=click.Path(path_type=Path, dir_okay=False), help="The page; else it is printed."
)
@click.option("--only", multiple=True, type=click.Choice([row.name for row in ROWS]), help="These rows.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keeps what the processes wrote [default: a temporary one].",
)
def main(write: Path | None, only: tuple[str, ...], folder: Path | None) -> None:
    """Run the long forms of the tests of failures, one after the other, and write a page about them."""
    with tempfile.TemporaryDirectory(prefix="fedmeta-soak-") as temporary:
        results = soak(folder or Path(temporary), only, write)
    if write is None:
        click.echo(page(results))
    failed = [result.row.name for result in results if result.state == "failed"]
    if failed:
        raise click.ClickException(f"did not hold: {', '.join(failed)}")


def soak(folder: Path, only: tuple[str, ...], write: Path | None) -> list[Result]:
    """The page is written anew after each row: an interruption does not lose those before."""
    cache = folder / "cache"
    expected = Undisturbed(folder, cache)
    results = {row.name: Result(row, "not run") for row in ROWS}
    for row in ROWS:
        if only and row.name not in only:
            continue
        click.echo(f"{row.name}: {row.happens}", err=True)
        result = results[row.name] = _run(row, Surroundings(folder / row.name, cache, expected))
        click.echo(f"  {result.state} after {result.seconds:.0f} s {result.reason}", err=True)
        for figure in result.figures:
            click.echo(f"  {figure}", err=True)
        if write is not None:
            write.write_text(page(list(results.values())))
    return list(results.values())


def _run(row: Row, at: Surroundings) -> Result:
    begun = time.monotonic()
    at.folder.mkdir(parents=True)
    try:
        figures = row.run(at)
    except pytest.skip.Exception as skipped:
        return Result(row, "not run", reason=str(skipped))
    except AssertionError as failure:
        return Result(row, "failed", time.monotonic() - begun, reason=_line(failure))
    return Result(row, "held", time.monotonic() - begun, tuple(figures))


def _line(failure: AssertionError) -> str:
    text = str(failure).strip()
    return text.splitlines()[0][:300] if text else "an assertion without words; run its test"


if __name__ == "__main__":
    main()
