"""What an analysis says, as plain data: tables, figures and verdicts. Pages and files are made from it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Literal

from deploy.study.statistics import Estimate, Lifespan, Ratio

Cell = str | Estimate | Ratio | Lifespan | None
Status = Literal["supported", "contradicted", "open"]
IN_TABLES = "In parentheses: ± over episodes of one seed."
IN_FIGURES = "Where there is one seed, bands and bars are ± over episodes of one seed."
SEEDS_IN_FIGURES = "Thin lines and small points are single seeds, the others their means."
STATUS_WORDS: Mapping[Status, str] = {
    "supported": "supported",
    "contradicted": "not supported",
    "open": "inconclusive",
}


@dataclass(frozen=True)
class Table:
    """``stem`` names its CSV."""

    stem: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def label(self) -> str:
        """The caption, and what the intervals of one seed are where there are any."""
        cells = [cell for row in self.rows for cell in row]
        return f"{self.caption} {IN_TABLES}" if any(map(_of_episodes, cells)) else self.caption

    def texts(self) -> list[list[str]]:
        return [["" if cell is None else str(cell) for cell in row] for row in self.rows]

    def csv(self) -> str:
        """Estimates in columns of their own: the mean, the half-width of its interval over seeds, the seeds;
        of one seed, the half-width over its episodes."""
        wide = [any(isinstance(row[i], Estimate) for row in self.rows) for i in range(len(self.header))]
        one_seed = [any(_of_episodes(row[i]) for row in self.rows) for i in range(len(self.header))]
        output = StringIO()
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(
            [
                column
                for name, is_wide, is_one in zip(self.header, wide, one_seed, strict=True)
                for column in (
                    name,
                    *((f"{name} ±95 %", f"{name} seeds") if is_wide else ()),
                    *((f"{name} ±95 % over episodes of one seed",) if is_one else ()),
                )
            ]
        )
        for row in self.rows:
            writer.writerow(
                [
                    value
                    for cell, is_wide, is_one in zip(row, wide, one_seed, strict=True)
                    for value in (
                        *(_numbers(cell) if is_wide else ["" if cell is None else str(cell)]),
                        *([_over_episodes(cell)] if is_one else []),
                    )
                ]
            )
        return output.getvalue()


def _of_episodes(cell: Cell) -> bool:
    return isinstance(cell, Estimate) and cell.half is None and cell.episodes is not None


def _numbers(cell: Cell) -> list[str]:
    if not isinstance(cell, Estimate):
        return ["" if cell is None else str(cell), "", ""]
    return [f"{cell.mean:.6f}", "" if cell.half is None else f"{cell.half:.6f}", str(cell.seeds)]


def _over_episodes(cell: Cell) -> str:
    return f"{cell.episodes:.6f}" if isinstance(cell, Estimate) and cell.episodes is not None else ""


@dataclass(frozen=True)
class Series:
    """``style``: a decision's name, or a number for the n-th looks; ``dashed``: a reference beside others;
    ``joined``: points of one curve, not of several things."""

    label: str
    x: tuple[float, ...]
    y: tuple[Estimate, ...]
    style: str | int = 0
    dashed: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Point:
    """A configuration on a trade-off, uncertain in both directions."""

    x: Estimate | Ratio
    y: Estimate
    label: str = ""


@dataclass(frozen=True)
class Trail:
    """The configurations of one kind on a trade-off, in order."""

    label: str
    points: tuple[Point, ...]
    style: int = 0


@dataclass(frozen=True)
class Panel:
    """Lines over x, or a trade-off; ``ticks``: x positions and what they are called."""

    title: str
    x_label: str
    y_label: str = "backdoor accuracy"
    series: tuple[Series, ...] = ()
    trails: tuple[Trail, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()
    chance: bool = True


@dataclass(frozen=True)
class Figure:
    stem: str
    caption: str
    alt: str
    panels: tuple[Panel, ...]

    @property
    def label(self) -> str:
        """The caption, and what is drawn of one seed and of several."""
        values: list[Cell] = [y for panel in self.panels for series in panel.series for y in series.y]
        points = [point for panel in self.panels for trail in panel.trails for point in trail.points]
        values += [value for point in points for value in (point.x, point.y)]
        several = any(isinstance(value, Estimate) and value.values for value in values)
        texts = [self.caption, SEEDS_IN_FIGURES if several else ""]
        texts.append(IN_FIGURES if any(map(_of_episodes, values)) else "")
        return " ".join(filter(None, texts))


@dataclass(frozen=True)
class Criterion:
    """What a claim asks of the measurements, in words, with what was found."""

    text: str
    status: Status
    found: str


@dataclass(frozen=True)
class Verdict:
    """``name``: C1 … C4 of the paper, or F1 … for findings of our own."""

    name: str
    claim: str
    criteria: tuple[Criterion, ...]

    @property
    def status(self) -> Status:
        """All criteria must hold; one that does not decides."""
        each = [criterion.status for criterion in self.criteria]
        if "contradicted" in each:
            return "contradicted"
        return "supported" if each and all(status == "supported" for status in each) else "open"


@dataclass(frozen=True)
class Findings:
    """Of one experiment, in the order in which they are shown."""

    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = field(default=())


def counted(runs: int) -> str:
    """For people."""
    return "1 run" if runs == 1 else f"{runs} runs"


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """For a terminal: each claim with its criteria."""
    return [
        line
        for verdict in verdicts
        for line in (
            f"{verdict.name} {STATUS_WORDS[verdict.status]}: {verdict.claim}",
            *(f"   {STATUS_WORDS[c.status]}: {c.text}; found {c.found}" for c in verdict.criteria),
        )
    ]
