"""What figures show: which rounds, which points, which axis."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from coordinator.reading.pooling import Measured
from coordinator.reading.report import frames
from coordinator.reading.report.accuracy import (
    Series,
    accuracy_figure,
    notable_rounds,
    squeezed_from,
    step_labels,
    steps_figure,
)
from coordinator.reading.report.conduct import (
    BINS,
    Cost,
    Presence,
    binned,
    cost_figure,
    norms_figure,
    presences,
    thinned,
    timeline_figure,
)
from coordinator.reading.report.style import GREY, decision_style, series_style
from protocol.messages import Interval
from tests.coordinator.reading.example import evaluated, line, opening, round_lines
from tests.coordinator.reading.report.made_up import run_of

ACCURACY = Interval(mean=0.5, ci95=0.1, episodes=10)
MEASURED = Measured(1, "linear", 5, 0, False, False, ACCURACY, ACCURACY, ACCURACY, ())
QUIET = frames.UpdateRow("run", 1, False, "ann", "benign", 0.5, 1.0, 400, 0.1)


def test_of_many_updates_attack_rounds_and_outliers_are_all_drawn() -> None:
    rows = [
        replace(QUIET, round=number, participant=name) for number in range(1, 5001) for name in ("ann", "bob")
    ]
    rows[4711] = replace(rows[4711], times_median=7.0)
    rows[999] = replace(rows[999], attack=True)
    shown = thinned(rows, 1000)
    assert {rows[4711], rows[999]} <= set(shown)
    assert len(shown) <= 1002
    assert shown == sorted(shown, key=lambda row: row.round)
    assert thinned(rows[:10], 1000) == rows[:10]


@pytest.mark.parametrize(
    ("rounds", "attacks", "first"),
    [
        ([*range(0, 6001, 500), 6001, 6051], (6001,), 6000),
        ([6000, 6001, 6011, 6051], (6001,), None),
        ([0, 5, 10, 15, 20], (10,), None),
        ([0, 10, 20], (), None),
        ([0, 10], (11,), None),
        ([], (), None),
    ],
)
def test_the_attack_gets_a_figure_of_its_own_where_it_would_be_squeezed(
    rounds: list[int], attacks: tuple[int, ...], first: int | None
) -> None:
    assert squeezed_from(rounds, attacks) == first


def test_the_rounds_around_an_attack_are_notable() -> None:
    every = [*range(0, 1001, 100), 1001, 1011, 1020, 1051, 1100]
    shown = notable_rounds(every, (1001, 1020))
    assert len(shown) == 5
    assert {1000, 1001, 1020, 1100} <= set(shown)
    assert notable_rounds([3, 1, 2], ()) == [1, 2, 3]
    assert len(notable_rounds(range(100), ())) == 5
    assert notable_rounds(range(100), ())[-1] == 99


def test_many_rounds_are_drawn_as_stretches_that_keep_the_extremes() -> None:
    values = [(number, 1.0) for number in range(1, 6001)]
    values[3000] = (3001, 60.0)
    x, low, mid, high = binned(values)
    assert len(x) <= BINS
    assert (min(low), max(mid), max(high)) == (1.0, 1.0, 60.0)
    assert binned([(1, 2.0)]) == ([1], [2.0], [2.0], [2.0])


def test_presence_lasts_from_joining_to_the_end_or_the_loss() -> None:
    def move(who: str, kind: str, number: int, reason: str | None = None) -> frames.MovementRow:
        return frames.MovementRow("run", "2026-01-02T03:04:05Z", number, who, kind, reason)

    moves = [
        move("ann", "joined", 0),
        move("bob", "joined", 2),
        move("ann", "lost", 4, "silent"),
        move("ann", "joined", 6),
        move("eve", "refused", 6, "bad_share"),
        move("bob", "lost", 7, "restart"),
    ]
    assert presences(moves, 9) == [
        Presence("ann", 0, 4, "lost"),
        Presence("bob", 2, 7, "restart"),
        Presence("ann", 6, 9, None),
    ]


def test_names_and_attackers_are_on_the_timeline(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    figure = timeline_figure(frames.movement_rows(run), run.roles, run.attacks, (), 4)
    (ax,) = figure.axes
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert labels == ["eve", "bob", "auditor", "ann"]
    colours = {tick.get_text(): tick.get_color() for tick in ax.get_yticklabels()}
    assert colours["eve"] != colours["ann"]


def test_norms_that_hardly_differ_do_not_look_as_if_they_did() -> None:
    rows = [replace(QUIET, round=number, norm=0.5 + 0.001 * number) for number in range(1, 9)]
    (ax,) = norms_figure(rows, ()).axes
    low, high = ax.get_ylim()
    assert ax.get_yscale() == "log"
    assert high / low >= 9.99


def points(ax: Axes) -> list[tuple[list[float], list[float]]]:
    """x and y of each line."""
    return [
        (np.asarray(one.get_xdata()).tolist(), np.asarray(one.get_ydata()).tolist()) for one in ax.get_lines()
    ]


def test_each_decision_is_a_line_with_its_band_and_each_case_a_column(tmp_path: Path) -> None:
    lines = [*opening("auditor")]
    for number in (1, 2, 3):
        lines += [
            evaluated(number, backdoor_in_support=held, backdoor=0.1 * number) for held in (False, True)
        ]
    measured = run_of(tmp_path, lines=lines).measured()
    figure = accuracy_figure([Series("linear", decision_style("linear"), measured)], (2,), 5)
    assert len(figure.axes) == 6
    attack_train = figure.axes[2]
    drawn = [y for x, y in points(attack_train) if x == [1, 2, 3]]
    assert drawn == [pytest.approx([0.1, 0.2, 0.3])]
    assert attack_train.get_ylim() == pytest.approx((-0.03, 1.03))
    assert len(attack_train.collections) == 1  # the band


def test_participants_that_measured_are_thin_lines_of_their_own(tmp_path: Path) -> None:
    lines = [*opening("ann", "bob"), *round_lines(1), *round_lines(2)]
    lines += [evaluated(number, auditor=name) for number in (1, 2) for name in ("ann", "bob")]
    measured = run_of(tmp_path, lines=lines, roles=None).measured()
    figure = accuracy_figure([Series("linear", decision_style("linear"), measured)], (), None)
    widths = [line.get_linewidth() for line in figure.axes[0].get_lines()]
    assert sorted(widths) == [0.6, 0.6, 1.8]


def test_what_does_not_adapt_is_a_level_line_over_all_steps(tmp_path: Path) -> None:
    lines = [*opening("auditor"), *(evaluated(1, adaptation_steps=steps) for steps in (0, 1, 10, 100))]
    lines.append(evaluated(1, decision="matching", adaptation_steps=0, backdoor=0.3))
    run = run_of(tmp_path, lines=lines)
    series = [
        Series(name, decision_style(name), [m for m in run.measured() if m.decision == name])
        for name in ("linear", "matching")
    ]
    figure = steps_figure(series, [(1, "right after it")], 5)
    ends = [x for x, _ in points(figure.axes[1])]
    assert [0, 1, 10, 100] in ends
    assert [0, 100] in ends
    assert figure.axes[0].get_xlabel() == "adaptation steps"


def test_the_numbers_of_steps_do_not_touch() -> None:
    assert step_labels([0, 1, 5, 10, 20, 50, 100]) == ["0", "1", "5", "10", "20", "50", "\n100"]
    assert step_labels([97, 98, 99]) == ["97", "\n98", ""]
    counts = [0, 1, 5, 10, 20, 50, 100]
    series = [
        Series("linear", decision_style("linear"), [replace(MEASURED, adaptation_steps=n) for n in counts])
    ]
    figure = steps_figure(series, [(1, "right after it")], 5)
    figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
        second = ["\n" in label.get_text() for label in ax.get_xticklabels()]
        for i, box in enumerate(boxes):
            others = [other for other, below in zip(boxes[:i], second, strict=False) if below == second[i]]
            assert all(other.x1 + 3 < box.x0 for other in others)


def test_the_legend_of_a_runs_bytes_is_with_their_panel(tmp_path: Path) -> None:
    rows = frames.round_rows(run_of(tmp_path))
    figure = cost_figure([Cost("run", series_style(GREY), rows)], ())
    seconds, traffic = figure.axes
    assert figure.legends == []
    legend = traffic.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["from participants", "to participants"]
    colours = {one.get_color() for one in traffic.get_lines()}
    assert seconds.get_lines()[0].get_color() not in colours
    both = cost_figure([Cost(name, series_style(i), rows) for i, name in enumerate(("a", "b"))], ())
    assert [text.get_text() for text in both.legends[0].get_texts()] == ["a", "b"]


def test_an_unknown_decision_logic_has_looks_of_its_own() -> None:
    names = ["linear", "matching", "mine", "yours"]
    assert len({decision_style(name, names) for name in names}) == 4
    assert decision_style("linear") == decision_style("linear", names)


def test_a_participant_lost_in_the_last_round_is_drawn(tmp_path: Path) -> None:
    lines = [
        *opening("ann", "$x_1$"),
        *round_lines(1),
        line("participant_lost", participant="$x_1$", reason="silent", round=1),
    ]
    run = run_of(tmp_path, lines=lines)
    figure = timeline_figure(frames.movement_rows(run), {}, (), (), 1)
    figure.draw_without_rendering()  # a dollar is no mathematics
    assert any("lost" in text.get_text() for text in figure.legends[0].get_texts())
