"""A page from plain blocks: one HTML file without scripts and without anything to load.

``render_page("Title", [Heading("Accuracy"), FigureBlock(inline_svg(figure, "a"), "caption", "alt text")])``
All text is escaped; only a figure's SVG is taken as it is. Readable in light and dark, on a phone, printed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from coordinator.reading.report.style import colour_variables

TEMPLATES = Path(__file__).parent / "templates"

VerdictStatus = Literal["supported", "contradicted", "mixed", "open"]
NoticeLevel = Literal["note", "warning", "problem"]


@dataclass(frozen=True)
class Heading:
    """Level 2 headings make the page's contents."""

    text: str
    level: Literal[2, 3] = 2


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Notice:
    """Something to know before reading on: a run that goes on, lines that could not be read."""

    text: str
    level: NoticeLevel = "note"


@dataclass(frozen=True)
class Facts:
    """Names and values, in the order given."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class FigureBlock:
    """``svg`` from :func:`~coordinator.reading.report.style.inline_svg`; ``alt`` says in words what is seen;
    ``files``: names of the same figure beside the page (PNG, SVG) and of its numbers (CSV)."""

    svg: str
    caption: str
    alt: str
    files: Sequence[str] = ()


@dataclass(frozen=True)
class TableBlock:
    """Columns of numbers are set right; ``emphasised`` rows (by index) stand out; ``folded``: closed until
    opened, for long tables; ``files`` as of figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    emphasised: frozenset[int] = frozenset()
    folded: bool = False
    files: Sequence[str] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether measurements support a claim; ``label`` is what the status is called in words."""

    claim: str
    status: VerdictStatus
    text: str
    label: str = ""


@dataclass(frozen=True)
class Code:
    text: str


Block = Heading | Paragraph | Bullets | Notice | Facts | FigureBlock | TableBlock | Verdict | Code

_VERDICT_LABELS: dict[VerdictStatus, str] = {
    "supported": "supported",
    "contradicted": "contradicted",
    "mixed": "partly supported",
    "open": "undecided",
}


@dataclass(frozen=True)
class _Shown:
    """A block as the template takes it."""

    kind: str
    block: Block
    anchor: str = ""
    svg: Markup = field(default_factory=Markup)
    numeric: Sequence[bool] = ()
    label: str = ""


def render_page(title: str, sections: Sequence[Block], *, subtitle: str = "", footer: str = "") -> str:
    """The whole document as a string."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    style = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    for name, dark in (("light", False), ("dark", True)):
        style = style.replace(f"/* {name} figures */", colour_variables(dark))
    shown = _shown(sections)
    return environment.get_template("page.html.j2").render(
        title=title,
        subtitle=subtitle,
        footer=footer,
        style=Markup(style),
        blocks=shown,
        contents=[s for s in shown if s.kind == "Heading" and s.anchor],
    )


def _shown(blocks: Sequence[Block]) -> list[_Shown]:
    anchors: set[str] = set()
    result = []
    for block in blocks:
        kind = type(block).__name__
        match block:
            case Heading(text=text):
                result.append(_Shown(kind, block, anchor=_anchor(text, anchors)))
            case FigureBlock(svg=svg, alt=alt):
                labelled = Markup(
                    svg.replace("<svg ", f'<svg role="img" aria-label="{Markup.escape(alt)}" ', 1)
                )
                result.append(_Shown(kind, block, svg=labelled))
            case TableBlock(header=header, rows=rows):
                numeric = [_is_numeric([row[i] for row in rows]) for i in range(len(header))]
                result.append(_Shown(kind, block, numeric=numeric))
            case Verdict(status=status, label=label):
                result.append(_Shown(kind, block, label=label or _VERDICT_LABELS[status]))
            case _:
                result.append(_Shown(kind, block))
    return result


def _anchor(text: str, taken: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "section"
    anchor, n = base, 1
    while anchor in taken:
        n += 1
        anchor = f"{base}-{n}"
    taken.add(anchor)
    return anchor


_NUMBER = re.compile(r"[<>≥≤~]?\s*[-−+]?[.\d][\d,.]*(e[-+]?\d+)?(\s*±\s*[\d.]+)?\s*(%|s|min|h|B|kB|MB|GB)?")


def _is_numeric(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip() not in ("", "–", "—")]
    return bool(filled) and all(_NUMBER.fullmatch(cell.strip()) for cell in filled)
