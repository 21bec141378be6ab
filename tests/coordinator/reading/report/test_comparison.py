"""How runs with unlike rounds are laid on one axis, and which of their rounds correspond."""

from pathlib import Path

from coordinator.reading.report.comparison import aligned, at_moments, comparison_of
from coordinator.reading.report.page import TableBlock
from coordinator.reading.report.runs import Run
from tests.coordinator.reading.example import evaluated, opening, round_lines
from tests.coordinator.reading.report.made_up import NAMES, run_of


def attacked(directory: Path, attacks: list[int], measured: list[int], steps: tuple[int, ...] = (50,)) -> Run:
    last = max([*attacks, *measured])
    lines = [*opening(*NAMES, "auditor"), *round_lines(last, NAMES)]
    lines += [
        evaluated(number, backdoor=number / 10_000, adaptation_steps=count)
        for number in measured
        for count in steps
    ]
    settings = (f"federation.rounds={last}", f"attack.rounds={attacks}")
    return run_of(directory, lines=lines, settings=settings)


def test_rounds_stay_as_they_are_where_the_attack_is_the_same(tmp_path: Path) -> None:
    runs = [attacked(tmp_path / name, [5], [4, 5]) for name in ("a", "b")]
    assert aligned(runs) == ({"a": 0, "b": 0}, (5,), "round")


def test_rounds_count_from_the_attack_where_it_is_elsewhere_in_each(tmp_path: Path) -> None:
    runs = [attacked(tmp_path / "a", [5, 6], [4]), attacked(tmp_path / "b", [100, 109], [99])]
    assert aligned(runs) == ({"a": 5, "b": 100}, (0,), "rounds after the first attack round")


def test_a_run_without_an_attack_keeps_all_rounds_as_they_are(tmp_path: Path) -> None:
    runs = [attacked(tmp_path / "a", [5], [4]), attacked(tmp_path / "b", [], [4])]
    assert aligned(runs) == ({"a": 0, "b": 0}, (5,), "round")


def moments_of(*runs: Run) -> dict[str, tuple[int | None, ...]]:
    return at_moments(runs, {run.label: run.measured() for run in runs})


def test_before_right_after_and_the_end_correspond(tmp_path: Path) -> None:
    def rounds(attacks: list[int], measured: list[int]) -> list[int | None]:
        (found,) = moments_of(attacked(tmp_path / f"{attacks}{measured}", attacks, measured)).values()
        return list(found)

    assert rounds([5], [1, 4, 5, 9, 20]) == [4, 5, 20]
    assert rounds([5], [4, 5]) == [4, 5, 5]
    assert rounds([5], [5, 9]) == [None, 5, 9]
    assert rounds([5], [4]) == [4, None, None]
    assert rounds([], [3, 8]) == [3, 8]
    assert rounds([5], []) == [None, None, None]


def test_a_control_is_looked_at_in_the_rounds_in_which_the_attacked_run_is(tmp_path: Path) -> None:
    eve = attacked(tmp_path / "eve", [5], [0, 4, 5, 9, 20])
    control = attacked(tmp_path / "control", [], [0, 4, 5, 9, 20])
    assert moments_of(control, eve) == {"eve": (4, 5, 20), "control": (4, 5, 20)}
    seldom = attacked(tmp_path / "seldom", [], [0, 5, 19])
    assert moments_of(eve, seldom)["seldom"] == (None, 5, None)
    late = attacked(tmp_path / "late", [19], [4, 18, 19, 20])
    assert moments_of(late, eve, seldom)["seldom"] == (None, 19, None)
    draft = comparison_of([eve, seldom])
    table = next(
        one for one in draft.blocks if isinstance(one, TableBlock) and "before the attack" in one.header
    )
    assert ["backdoor, attack-train", "linear", "seldom", "–", "0.00 ±0.03", "–"] in table.rows


def test_a_controls_steps_are_drawn_in_the_attacked_runs_rows(tmp_path: Path) -> None:
    counts = (0, 50)
    eve = attacked(tmp_path / "eve", [5], [4, 5, 20], counts)
    control = attacked(tmp_path / "control", [], [5, 20], counts)
    figure = comparison_of([eve, control]).figures["steps-linear-5-shot"]
    drawn = [sum(one.get_label() == "control" for one in ax.get_lines()) for ax in figure.axes]
    assert drawn == [0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_the_attack_is_shown_on_its_own_where_training_before_it_was_long(tmp_path: Path) -> None:
    before = [*range(0, 5001, 1000)]
    runs = [attacked(tmp_path / name, [5001], [*before, 5001, 5051]) for name in ("a", "b")]
    draft = comparison_of(runs)
    assert {"accuracy-linear-5-shot", "accuracy-linear-5-shot-attack"} <= draft.figures.keys()
    assert draft.figures["accuracy-linear-5-shot-attack"].axes[0].get_xlim()[0] > 4990
