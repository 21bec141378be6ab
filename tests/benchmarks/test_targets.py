"""Whether what was to be reached was."""

from benchmarks.page.targets import Figure, Target, of_learning, of_the_federation
from benchmarks.results import Results
from benchmarks.spread import Spread
from benchmarks.wire.measured import Case
from benchmarks.wire.ours import Watched
from tests.benchmarks.examples import measured, side


def found(targets: list[Target], what: str) -> Target:
    (target,) = [target for target in targets if target.what == what]
    return target


def test_a_ratio_is_taken_within_each_repetition_and_held_against_the_bound() -> None:
    target = found(of_the_federation(measured()), "a round against bare sockets, 110,000 parameters")
    (figure,) = target.figures
    assert figure == Figure("4", Spread(1.5, 1.4, 1.6))
    assert (target.to_reach, target.verdict) == ("≤ 2", "reached")
    assert target.measured == "4: 1.50 (1.40–1.60)"


def test_what_was_missed_is_said_with_where() -> None:
    results = measured()
    slow = Case(110_000, 16)
    results.sides += [side("bare", slow, 1e-3), side("ours", slow, 3e-3)]
    target = found(of_the_federation(results), "a round against bare sockets, 110,000 parameters")
    assert target.verdict == "**not reached**: 16"


def test_at_least_is_the_other_way_round() -> None:
    target = found(of_the_federation(measured()), "times faster than Flower, 110,000 parameters")
    assert (target.to_reach, target.verdict) == ("≥ 4", "reached")
    assert not Target("x", 7.0, target.figures, at_least=True).verdict.startswith("reached")


def test_with_keys_nothing_is_compared_with_what_has_none() -> None:
    target = found(of_the_federation(measured()), "a round against bare sockets, 110,000 parameters, CURVE")
    assert target.verdict == "not measured"


def test_memory_is_counted_in_models() -> None:
    target = found(
        of_the_federation(measured()),
        "coordinator's peak memory over its idle memory, 10,000,000 parameters",
    )
    assert [round(figure.value.median, 2) for figure in target.figures] == [3.0]


def test_a_thousand_participants_are_held_against_64_each_for_itself() -> None:
    results = measured()
    what = "time for each of 1,000 participants, against each of 64, 110,000 parameters"
    assert found(of_the_federation(results), what).verdict == "not measured"
    results.sides.append(side("ours", Case(110_000, 1000), 15e-3 / 64 * 1000 * 1.2))
    assert found(of_the_federation(results), what).verdict == "**not reached**"


def test_one_pause_that_is_too_long_is_named() -> None:
    results = measured()
    results.watched.append(Watched(Case(10_000_000, 4, keys=True), 0.08, 0.01, 0.02, 0.0, 10))
    target = found(of_the_federation(results), "the event loop's longest pause")
    assert target.verdict == "**not reached**: 10,000,000 parameters to 4, CURVE"
    assert target.measured == "110,000 parameters to 4: 10.0; 10,000,000 parameters to 4, CURVE: 80.0"


def test_what_was_not_measured_is_not_taken_for_reached() -> None:
    targets = [*of_the_federation(Results()), *of_learning(Results())]
    assert {target.verdict for target in targets} == {"not measured"}


def test_starting_and_learning_are_held_against_their_references() -> None:
    verdicts = {target.what: target.verdict for target in of_learning(measured())}
    assert verdicts["`fedmeta --help`"] == "reached"
    assert verdicts["start of a participant until it has joined, against `import torch`"] == "reached"
    rounds = "times faster: rounds of 4 participants on all cores, against one bare loop on one core"
    assert verdicts[rounds] == "**not reached**"
