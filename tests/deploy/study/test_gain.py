"""What federating gains and what an arm keeps of it: counted on the same participants, at one moment."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deploy.study.analyses.sharing import neighbours
from deploy.study.drawing import draw
from deploy.study.findings import SEEDS_IN_FIGURES, Figure, Panel, Point, Series, Trail
from deploy.study.gain import SHARING, USUAL, gain_of, kept_of
from deploy.study.measurements import Pick
from deploy.study.statistics import Estimate, Ratio, estimate, over_seeds
from tests.deploy.study.journals import Asked, Values, as_the_paper_says, write_study


def all_go_on_learning(asked: Asked) -> Values:
    """Before the attack alone and federated are alike; 50 rounds later an arm stands half way between."""
    if asked.after < 0:
        return Values(0.7, 0.2, 0.2)
    name = asked.run.id.removesuffix(f"-s{asked.run.scenario.federation.seed}")
    return Values({"alone-nobody": 0.7, "matching-nobody-mean": 0.9}.get(name, 0.8), 0.2, 0.2)


@pytest.mark.parametrize("name", ["E4", "E6"])
def test_an_arm_and_its_controls_are_compared_at_the_same_moment(name: str, tmp_path: Path) -> None:
    result = write_study(tmp_path, [name], all_go_on_learning).result(name)
    kept = kept_of(result.measured, Pick("matching-adaptive-mean", "matching"), 50, USUAL)
    assert kept is not None
    assert kept.value == pytest.approx(0.5)
    assert "0.50 [0.50, 0.50]" in {row[-1] for row in result.findings.tables[0].texts()}


def the_last_one_learns_nothing(asked: Asked) -> Values:
    values = as_the_paper_says(asked)
    return replace(values, main=0.0) if asked.evaluator == "participant-6" else values


def test_who_attacks_in_an_arm_does_not_count_in_its_controls(tmp_path: Path) -> None:
    measured = write_study(tmp_path, ["E7"], the_last_one_learns_nothing, (1,)).result("E7").measured
    kept = kept_of(measured, Pick("E7-depth-2-transfer-mean-once", "matching"), 20, SHARING)
    assert kept is not None
    assert kept.value == pytest.approx(0.5)  # two blocks of four, by participants 1 to 5
    gain = gain_of(measured, 20, SHARING)
    assert gain is not None
    assert gain.mean == pytest.approx(0.12 * 5 / 6)  # nobody attacks there: all six count


def a_doubtful_gain(asked: Asked) -> Values:
    gain = {1: 0.3, 2: -0.1, 3: 0.1}[asked.run.scenario.federation.seed]
    shares = asked.run.scenario.model.shared != 0
    return Values(0.6 + (gain if shares else 0.0), 0.2, 0.2)


def test_a_share_that_could_be_anything_is_left_out_of_the_figure_and_counted(tmp_path: Path) -> None:
    doubtful = write_study(tmp_path / "a", ["E7"], a_doubtful_gain).result("E7")
    figure = doubtful.findings.figures[0]
    assert figure.panels[0].trails == ()
    shown = {row[0:4] for row in doubtful.findings.tables[0].rows}
    drawn = {row for row in shown if row[1] == "transfer" or row[0] == "0"}
    assert f"Left out: {len(drawn)} of the configurations, whose share has no lower bound" in figure.caption
    certain = write_study(tmp_path / "b", ["E7"], as_the_paper_says).result("E7").findings.figures[0]
    assert "Left out" not in certain.caption
    assert sum(len(trail.points) for trail in certain.panels[0].trails) > len(drawn) / 2


def test_of_one_seed_all_is_drawn(tmp_path: Path) -> None:
    figure = write_study(tmp_path, ["E7"], as_the_paper_says, (1,)).result("E7").findings.figures[0]
    assert figure.panels[0].trails
    assert "Left out" not in figure.caption


def test_an_interval_that_is_not_symmetric_is_drawn_so() -> None:
    point = Point(Ratio(0.5, 0.2, 1.1, 3), Estimate(0.3, 0.1, 3))
    canvas = draw(Figure("f", "", "", (Panel("", "x", trails=(Trail("t", (point,)),)),)))
    *_, bars = canvas.axes[0].containers[0].lines  # type: ignore[attr-defined]
    across, up = ([tuple(place) for place in bar.get_segments()[0]] for bar in bars)
    assert across == [pytest.approx((0.2, 0.3)), pytest.approx((1.1, 0.3))]
    assert up == [pytest.approx((0.5, 0.2)), pytest.approx((0.5, 0.4))]


def test_several_seeds_are_drawn_one_by_one_instead_of_their_interval() -> None:
    early, late = estimate([0.1, 0.9]), estimate([0.2, 0.6])
    panels = (
        Panel("", "x", series=(Series("s", (0.0, 1.0), (early, late)),)),
        Panel("", "x", trails=(Trail("t", (Point(late, early),)),)),
    )
    lines, trail = draw(Figure("f", "", "", panels)).axes
    drawn = [np.asarray(line.get_ydata()).tolist() for line in lines.lines]
    for line in ([0.1, 0.2], [0.9, 0.6], [early.mean, late.mean]):
        assert line in drawn
    (dots,) = [line for line in trail.lines if line.get_marker() == "."]
    assert np.asarray(dots.get_xydata()).tolist() == [[0.2, 0.1], [0.6, 0.9]]
    assert Figure("f", "Caption.", "", panels).label == f"Caption. {SEEDS_IN_FIGURES}"


def test_what_falls_below_zero_is_within_the_axes() -> None:
    panel = Panel("", "x", trails=(Trail("t", (Point(estimate([0.5, 0.6]), estimate([-0.4, 0.1])),)),))
    (ax,) = draw(Figure("f", "", "", (panel,))).axes
    assert ax.get_ylim()[0] < -0.4


def test_seeds_are_joined_only_where_all_of_them_are_there() -> None:
    both, other = over_seeds({1: 0.1, 2: 0.9}), over_seeds({1: 0.2, 3: 0.6})
    assert both is not None
    assert other is not None
    panel = Panel("", "x", series=(Series("s", (0.0, 1.0), (both, other)),))
    (ax,) = draw(Figure("f", "", "", (panel,))).axes
    drawn = [np.asarray(line.get_ydata()).tolist() for line in ax.lines]
    assert [0.9, 0.6] not in drawn  # of two seeds


def test_what_is_beside_the_main_thing_is_hollow_seeds_and_mean_alike() -> None:
    values = estimate([0.1, 0.9])
    series = (
        Series("after", (0.0,), (values,), joined=False),
        Series("before", (0.0,), (values,), joined=False, dashed=True),
    )
    (ax,) = draw(Figure("f", "", "", (Panel("", "x", series=series),))).axes
    seeds, means = ([line for line in ax.lines if line.get_marker() == mark] for mark in (".", "o"))
    assert [line.get_markerfacecolor() == "none" for line in seeds] == [False, True]
    assert [line.get_markerfacecolor() == "none" for line in means] == [False, True]


def test_the_line_of_chance_is_named_outside_of_the_axes() -> None:
    canvas = draw(Figure("f", "", "", (Panel("", "x"), Panel("", "x"))))
    canvas.draw_without_rendering()
    first, last = canvas.axes
    assert not first.texts
    (name,) = last.texts
    assert name.get_text() == "chance,\n1/5"
    box = name.get_window_extent()
    assert box.x0 >= last.get_window_extent().x1
    assert box.x1 <= canvas.bbox.x1


def test_no_line_is_drawn_over_a_depth_that_was_not_measured(tmp_path: Path) -> None:
    assert neighbours([(0, "a"), (2, "b"), (3, "c")], (0, 1, 2, 3)) == [[(2, "b"), (3, "c")], [(0, "a")]]
    # Of 0, 2 and 4 shared blocks the norm bound is measured with 4 alone; 0 is each participant alone.
    gain_kept, by_depth = write_study(tmp_path, ["E7"], as_the_paper_says).result("E7").findings.figures
    lines = {(series.label, series.x) for panel in by_depth.panels for series in panel.series}
    assert {x for label, x in lines if label == "transfer, norm-bound"} == {(0.0,), (4.0,)}
    assert {x for label, x in lines if label == "transfer, mean"} == {(0.0, 2.0, 4.0)}
    trails = [(trail.label, [point.label for point in trail.points]) for trail in gain_kept.panels[0].trails]
    assert [points for label, points in trails if label == "transfer, norm-bound"] == [["0"], ["4"]]
