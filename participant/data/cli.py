"""``fedmeta data``: which data sets there are, downloading one, looking at one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from participant.data import load_dataset
from participant.data.fetch import Progress, fetch, is_there
from participant.data.sheet import draw_sheet, spread
from participant.data.source import Options, Survey, datasets, default_data_dir, open_source
from protocol.errors import UsageProblem

data_dir_option = click.option(
    "--data-dir",
    envvar="FEDMETA_DATA_DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=default_data_dir,
    help="Folder that holds one folder per data set.  [default: in the user's cache]",
)


@click.group()
def data() -> None:
    """List, download and look at data sets."""


@data.command("list")
@data_dir_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="FEDMETA_DATA_LIST_JSON",
    help="One JSON array instead of a table.",
)
def list_command(data_dir: Path, as_json: bool) -> None:
    """Each data set: whether it is there, where, how many classes and images."""
    surveys = {name: _survey(name, data_dir) for name in datasets.names()}
    if as_json:
        click.echo(json.dumps([_as_object(name, found) for name, found in surveys.items()], indent=2))
        return
    click.echo(f"{'NAME':<14} {'CLASSES':>7} {'IMAGES':>7}  WHERE")
    for name, found in surveys.items():
        if isinstance(found, Survey):
            click.echo(f"{name:<14} {found.classes:>7} {found.images:>7}  {found.where}")
        else:
            click.echo(f"{name:<14} {'-':>7} {'-':>7}  {found}")


def _survey(name: str, data_dir: Path) -> Survey | UsageProblem:
    try:
        return open_source(name, data_dir, Options()).survey()
    except UsageProblem as problem:
        return problem


def _as_object(name: str, found: Survey | UsageProblem) -> dict[str, object]:
    if isinstance(found, Survey):
        return {
            "name": name,
            "found": True,
            "where": found.where,
            "classes": found.classes,
            "images": found.images,
        }
    return {"name": name, "found": False, "problem": str(found)}


@data.command("fetch")
@click.argument("name")
@data_dir_option
def fetch_command(name: str, data_dir: Path) -> None:
    """Download the data set NAME and check its files' sums; files already there and right are kept."""
    downloads = datasets.get(name).downloads
    if not downloads:
        fetchable = ", ".join(other for other in datasets.names() if datasets.get(other).downloads)
        raise UsageProblem(f"{name} has nothing to download; these data sets have: {fetchable}")
    for download in downloads:
        if is_there(download, data_dir / name):
            click.echo(f"{data_dir / name / download.file_name} is there already")
            continue
        with _progress(download.file_name) as progress:
            path = fetch(download, data_dir / name, progress)
        click.echo(f"{path} ({path.stat().st_size:,} bytes, sum checked)")


@contextmanager
def _progress(title: str) -> Iterator[Progress]:
    """A live bar on a terminal; piped, one line at the start."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        click.echo(f"downloading {title}", err=True)
        yield lambda _received, _total: None
        return
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Bars(*columns, console=console) as bars:
        bar = bars.add_task(title, total=None)
        yield lambda received, total: bars.update(bar, completed=received, total=total)


@data.command("show")
@click.argument("name")
@data_dir_option
@click.option(
    "--classes", type=click.IntRange(1, 200), default=12, show_default=True, help="Rows of the sheet."
)
@click.option(
    "--drawings", type=click.IntRange(1, 50), default=10, show_default=True, help="Images in a row."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The PNG file to write.  [default: NAME.png]",
)
def show_command(name: str, data_dir: Path, classes: int, drawings: int, output: Path | None) -> None:
    """Draw a sheet of classes and images of the data set NAME as a PNG, and print its path."""
    dataset = load_dataset(name, data_dir)
    sheet = draw_sheet(dataset, spread(dataset.classes, classes), drawings)
    path = output or Path(f"{name}.png")
    try:
        sheet.save(path, format="PNG")
    except OSError as error:
        raise UsageProblem(f"{path} cannot be written ({error}); --output names another file") from error
    click.echo(path)
