"""How runs with unlike rounds are laid on one axis, and which of their rounds correspond."""

from pathlib import Path

from coordinator.reading.report.comparison import aligned, at_moments, comparison_of
from coordinator.reading.report.runs import Run
from tests.coordinator.reading.example import evaluated, opening, round_lines
from tests.coordinator.reading.report.made_up import NAMES, run_of


def attacked(directory: Path, attacks: list[int], measured: list[int]) -> Run:
    last = max([*attacks, *measured])
    lines = [*opening(*NAMES, "auditor"), *round_lines(last, NAMES)]
    lines += [evaluated(number, backdoor=number / 10_000) for number in measured]
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


def test_before_right_after_and_the_end_correspond(tmp_path: Path) -> None:
    def rounds(attacks: list[int], measured: list[int]) -> list[int]:
        run = attacked(tmp_path / f"{attacks}{measured}", attacks, measured)
        return [number for _, number in at_moments(run, run.measured())]

    assert rounds([5], [1, 4, 5, 9, 20]) == [4, 5, 20]
    assert rounds([5], [4, 5]) == [4, 5, 5]
    assert rounds([5], [5, 9]) == [-1, 5, 9]
    assert rounds([], [3, 8]) == [3, 8]
    assert rounds([5], []) == []


def test_the_attack_is_shown_on_its_own_where_training_before_it_was_long(tmp_path: Path) -> None:
    before = [*range(0, 5001, 1000)]
    runs = [attacked(tmp_path / name, [5001], [*before, 5001, 5051]) for name in ("a", "b")]
    draft = comparison_of(runs)
    assert {"accuracy-linear-5-shot", "accuracy-linear-5-shot-attack"} <= draft.figures.keys()
    assert draft.figures["accuracy-linear-5-shot-attack"].axes[0].get_xlim()[0] > 4990
