"""``fedmeta report``: one run, or several side by side, as a page with figures and tables."""

from pathlib import Path

import click

from coordinator.reading.cli import LATEST

COMPARISON = Path("report")


@click.command()
@click.argument(
    "run_dirs", nargs=-1, metavar="[RUN_DIR]...", type=click.Path(path_type=Path), envvar="FEDMETA_RUN_DIR"
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    envvar="FEDMETA_REPORT_OUTPUT",
    help="Where the report goes. Default: RUN_DIR/report; for several runs ./report.",
)
def report(run_dirs: tuple[Path, ...], output: Path | None) -> None:
    """Write report.html, its figures (PNG, SVG) and its tables (CSV) for RUN_DIR, runs/latest by default.

    Several directories make one report that compares the runs, named after their directories. The page needs
    nothing else: it opens offline. A report that is there already is replaced.
    """
    # Here, since matplotlib takes a second, and a wrong command line should be told at once.
    from coordinator.reading.report.comparison import comparison_of
    from coordinator.reading.report.draft import write_report
    from coordinator.reading.report.runs import read_runs
    from coordinator.reading.report.single import report_of

    runs = read_runs(run_dirs or (LATEST,))
    if len(runs) == 1:
        draft, directory = report_of(runs[0]), output or runs[0].directory / "report"
    else:
        draft, directory = comparison_of(runs), output or COMPARISON
    page = write_report(draft, directory)
    click.echo(f"{page}: {len(draft.figures)} figures, {len(draft.tables)} tables beside it")
    for run in runs:
        if run.history.info.status == "running":
            click.echo(
                f"{run.label} is still running: the report shows what its journal says so far", err=True
            )
