"""A report in the making: its blocks, and the figures and tables that are also files beside the page."""

import csv
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from coordinator.reading.report.page import Block, FigureBlock, render_page
from coordinator.reading.report.style import inline_svg, save_figure
from protocol.errors import UsageProblem

PAGE = "report.html"


@dataclass
class Draft:
    """``tables``: rows of one dataclass each, by file name without its ending."""

    title: str
    subtitle: str = ""
    footer: str = ""
    blocks: list[Block] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    tables: dict[str, tuple[type, Sequence[Any]]] = field(default_factory=dict)

    def add(self, *blocks: Block) -> None:
        self.blocks.extend(blocks)

    def add_figure(self, stem: str, figure: Figure, caption: str, alt: str, table: str | None = None) -> None:
        """``stem`` names its files, made safe and unique: it may hold what somebody else wrote. ``table``:
        the name of the table that holds the figure's numbers."""
        stem = self._free(re.sub(r"[^A-Za-z0-9_-]+", "_", stem))
        self.figures[stem] = figure
        files = [f"{stem}.png", f"{stem}.svg", *([f"{table}.csv"] if table else [])]
        self.add(FigureBlock(inline_svg(figure, stem), caption, alt, files))

    def _free(self, stem: str) -> str:
        numbered = (f"{stem}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([stem], numbered) if name not in self.figures)

    def add_table(self, stem: str, kind: type, rows: Iterable[Any]) -> None:
        """Rows of the dataclass ``kind``, to be written as ``stem.csv``, there even if there is no row."""
        self.tables[stem] = (kind, list(rows))

    def page(self) -> str:
        return render_page(self.title, self.blocks, subtitle=self.subtitle, footer=self.footer)


def write_report(draft: Draft, directory: Path) -> Path:
    """Write the page, the figures and the tables; the path of the page. Raises :class:`UsageProblem` where
    the directory cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for stem, figure in draft.figures.items():
            save_figure(figure, stem, directory)
        for stem, (kind, rows) in draft.tables.items():
            write_csv(directory / f"{stem}.csv", kind, rows)
        page = directory / PAGE
        page.write_text(draft.page(), encoding="utf-8")
    except OSError as error:
        what = f"{error.filename or directory}: cannot write the report: {error.strerror or error}"
        raise UsageProblem(f"{what}; name a directory with --output") from error
    return page


def write_csv(path: Path, kind: type, rows: Sequence[Any]) -> None:
    """A header of the dataclass's fields, then a line for each row; None is empty, a bool true or false."""
    names = [one.name for one in fields(kind)]
    values = attrgetter(*names)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(value) for value in values(row)] for row in rows)


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
