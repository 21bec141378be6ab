"""Figures are the same bytes for the same data, and fit into a page."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from coordinator.reading.report.style import (
    DARK,
    colour_variables,
    inline_svg,
    legend_above,
    line_with_band,
    literal,
    make_figure,
    mark_attacks,
    runs_of,
    save_figure,
    series_style,
)


def drawing(label: str = "one") -> Figure:
    figure, ((ax,),) = make_figure()
    line_with_band(ax, [1, 2, 3], [0.1, 0.9, 0.95], [0.2, 0.05, 0.1], series_style(0), label)
    mark_attacks(ax, [2])
    legend_above(figure, [ax])
    return figure


def test_the_same_figure_is_the_same_file_without_dates_or_versions(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        save_figure(drawing(), "a", tmp_path / folder)
    for name in ("a.png", "a.svg"):
        content = (tmp_path / "first" / name).read_bytes()
        assert content == (tmp_path / "second" / name).read_bytes()
        assert b"atplotlib v" not in content
        assert b"dc:date" not in content
    assert inline_svg(drawing(), "a") == inline_svg(drawing(), "a")


def test_inlined_figures_follow_the_page_and_never_share_an_identifier() -> None:
    one, two = inline_svg(drawing(), "one"), inline_svg(drawing(), "two")
    assert one.startswith("<svg ")
    assert "xmlns" not in one
    assert "<style" not in one
    assert "DejaVu" not in one
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    referred = set(re.findall(r"url\(#([^)]+)\)", one)) | set(re.findall(r'href="#([^"]+)"', one))
    assert referred
    assert referred <= ids[0]
    bare = {colour for colour in re.findall(r"(?<!, )#[0-9a-f]{6}", one) if colour in DARK}
    assert bare == set()  # each stands within var(--fig-…, …)


def test_every_colour_of_a_figure_has_its_dark_one() -> None:
    light, dark = colour_variables(dark=False), colour_variables(dark=True)
    names = re.findall(r"(--fig-\w+):", light)
    assert names == re.findall(r"(--fig-\w+):", dark)
    assert len(set(names)) == len(DARK)


def test_a_band_stays_within_fractions() -> None:
    figure = drawing()
    (band,) = figure.axes[0].collections
    corners = np.asarray(band.get_paths()[0].vertices)[:, 1]
    assert corners.min() == 0.0
    assert corners.max() == 1.0


def test_neighbouring_rounds_are_one_span() -> None:
    assert runs_of([9, 3, 4, 5]) == [(3, 5), (9, 9)]
    assert runs_of([]) == []


def named(*labels: str, columns: int = 4) -> Figure:
    figure, ((ax,),) = make_figure()
    for i, label in enumerate(labels):
        ax.plot([1, 2], [i, i], **series_style(i).kwargs, label=label)
    legend_above(figure, [ax], columns)
    return figure


@pytest.mark.parametrize("length", [5, 25, 45, 300])
def test_a_legend_is_never_wider_than_its_figure(length: int) -> None:
    figure = named(*(f"{number} {'x' * length}" for number in range(9)))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().x0 >= 0
    assert legend.get_window_extent().x1 <= figure.bbox.width
    assert ["".join(text.get_text().split()) for text in legend.get_texts()] == [
        f"{number}{'x' * length}" for number in range(9)
    ]


def test_a_figure_grows_by_the_rows_that_long_names_take() -> None:
    def panel(figure: Figure) -> float:
        figure.draw_without_rendering()
        return figure.axes[0].get_window_extent().height

    short, long = (named(*(f"{number} {'x' * length}" for number in range(8))) for length in (3, 60))
    assert panel(long) == pytest.approx(panel(short), rel=0.02)
    assert short.get_figheight() == make_figure()[0].get_figheight() < long.get_figheight()


def test_more_lines_than_colours_are_told_apart() -> None:
    looks = [series_style(i) for i in range(28)]
    assert len({(look.colour, look.line) for look in looks}) == 28
    assert len({(look.colour, look.marker) for look in looks}) == 28


def test_foreign_labels_are_taken_literally() -> None:
    figure = drawing(literal("_$x^2$_"))
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [r" _\$x^2\$_"]
