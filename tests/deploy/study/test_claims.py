"""Claims are decided by written criteria: what a made-up study says, they repeat."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.study.claims import at_least, at_most
from deploy.study.findings import Criterion, Status, Verdict
from deploy.study.own_claims import Candidate, closest
from deploy.study.statistics import Estimate, Ratio, estimate
from tests.deploy.study.journals import Asked, Values, as_the_paper_says, write_study


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.52, 0.48], "supported"),
        ([0.9, 0.1, 0.0], "open"),  # the mean is large, and so is the doubt
        ([0.11, 0.10, 0.09], "contradicted"),
        ([0.5], "open"),  # one seed decides nothing
    ],
)
def test_a_rise_is_supported_if_it_is_large_and_certain(values: list[float], expected: Status) -> None:
    assert at_least(estimate(values), 0.3, 0.0, "it rises").status == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.02, 0.03, 0.01], "supported"),
        ([0.0, 0.4, -0.2], "open"),
        ([0.5, 0.52, 0.51], "contradicted"),
        ([0.0], "open"),
    ],
)
def test_a_defence_holds_if_what_is_left_is_small_and_certainly_not_large(
    values: list[float], expected: Status
) -> None:
    assert at_most(estimate(values), 0.1, 0.3, "it holds").status == expected


def test_what_was_not_measured_decides_nothing() -> None:
    assert at_least(None, 0.3, 0.0, "x") == Criterion("x", "open", "nothing measured")
    assert at_most(None, 0.1, 0.3, "x").found == "nothing measured"
    one = at_least(Estimate(0.9, None, 1), 0.3, 0.0, "x")
    assert one.found == "0.900 in one seed, so no interval"


def test_a_claim_needs_all_of_its_criteria() -> None:
    yes, no, perhaps = (Criterion("", status, "") for status in ("supported", "contradicted", "open"))
    assert Verdict("C", "", (yes, yes)).status == "supported"
    assert Verdict("C", "", (yes, perhaps)).status == "open"
    assert Verdict("C", "", (yes, perhaps, no)).status == "contradicted"
    assert Verdict("C", "", ()).status == "open"


def statuses(folder: Path, names: list[str], invent=as_the_paper_says, seeds=(1, 2, 3)):  # type: ignore[no-untyped-def]
    study = write_study(folder, names, invent, seeds)
    return {
        verdict.name: verdict.status for name in names for verdict in study.result(name).findings.verdicts
    }


NAMES = ["E1", "E2", "E3", "E4", "E6", "E7"]


def test_a_study_that_finds_what_the_paper_says_supports_its_claims(tmp_path: Path) -> None:
    found = statuses(tmp_path, NAMES)
    supported = {name for name, status in found.items() if status == "supported"}
    c3, c4 = {"C3", "C3 (tuned)", "C3 (fresh head)"}, {"C4", "C4 (same model)", "C4 (tuned)"}
    assert supported == {"C1", "C2", "C2 (holders)", *c3, *c4, "F1", "F2", "F4", "F5", "F6"}
    assert found["F3"] == "contradicted"  # the made-up norm bound stops the patient one too
    assert found["C1 (E3)"] == "contradicted"  # .40 against .15 before: a rise of .25


def test_one_seed_decides_no_claim(tmp_path: Path) -> None:
    assert set(statuses(tmp_path, NAMES, seeds=(1,)).values()) == {"open"}


def nothing_happens(asked: Asked) -> Values:
    return Values(0.9, 0.2, 0.2)


def test_a_study_in_which_no_attack_works_contradicts_what_depends_on_one(tmp_path: Path) -> None:
    found = statuses(tmp_path, NAMES, nothing_happens)
    assert {found[name] for name in ("C1", "C2", "F1", "F3")} == {"contradicted"}
    assert found["C3"] == "open"  # there is nothing that a defence could reduce
    assert found["F2"] == "open"  # nor anything that a bound could stop
    assert found["C4"] == "supported"
    assert found["F4"] == "contradicted"  # full sharing gains nothing over training alone


def it_works_and_dies(asked: Asked) -> Values:
    """The undefended backdoor does not outlive 50 benign rounds."""
    values = as_the_paper_says(asked)
    return replace(values, train=0.2, validation=0.1) if asked.after > 0 else values


def test_where_the_undefended_backdoor_is_gone_there_is_nothing_to_reduce(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E4"], it_works_and_dies)
    c3 = next(one for one in study.result("E4").findings.verdicts if one.name == "C3")
    assert [criterion.status for criterion in c3.criteria] == ["supported", "open", "supported", "open"]
    assert c3.status == "open"
    assert c3.criteria[1].found.endswith("only, under 0.30: there is nothing to reduce")


def costly_defence(asked: Asked) -> Values:
    values = as_the_paper_says(asked)
    return replace(values, main=values.main - 0.2) if asked.decision != "linear" else values


def test_a_defence_that_costs_a_fifth_of_the_main_task_contradicts_c4_alone(tmp_path: Path) -> None:
    found = statuses(tmp_path, ["E4"], costly_defence)
    assert {name for name, status in found.items() if status == "supported"} == {
        "C3",
        "C3 (tuned)",
        "C3 (fresh head)",
    }
    assert {found[name] for name in ("C4", "C4 (same model)", "C4 (tuned)")} == {"contradicted"}


def test_controls_alone_do_not_support_that_a_defence_resists(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E7"], as_the_paper_says)
    for run_dir in (tmp_path / "runs").iterdir():
        if "nobody" not in run_dir.name:
            (run_dir / "journal.jsonl").unlink()
    verdicts = study.result("E7").findings.verdicts
    assert [verdict.name for verdict in verdicts] == ["F4", "F5", "F6"]
    for verdict in verdicts:
        assert [criterion.status for criterion in verdict.criteria] == ["supported", "open"]
        assert verdict.status == "open"


def all_but_one_are_broken(asked: Asked) -> Values:
    """Those with a norm bound resist in one seed of three, so that they may; the others in none."""
    values, scenario = as_the_paper_says(asked), asked.run.scenario
    if asked.after < 0 or not scenario.attack.rounds:
        return values
    uncertain = scenario.federation.aggregation == "norm-bound"
    backdoor = {1: 0.05, 2: 0.9, 3: 0.95}[scenario.federation.seed] if uncertain else 0.6
    return replace(values, train=backdoor)


def test_that_no_defence_resists_takes_more_than_one_that_does_not(tmp_path: Path) -> None:
    found = statuses(tmp_path, ["E7"], all_but_one_are_broken)
    assert (found["F4"], found["F5"]) == ("contradicted", "open")  # by the mean no arm; by a rule one may


def test_the_best_is_said_to_be_chosen_on_these_measurements(tmp_path: Path) -> None:
    less, robust, _ = write_study(tmp_path, ["E7"], as_the_paper_says).result("E7").findings.verdicts
    first, *others = [criterion.text for criterion in robust.criteria[1:]]
    assert len(others) == 2
    # At depth 4 under two rules, at depth 2 under one; the mean at depth 2 alone shares less.
    words = "(best of {0} configurations, chosen on these measurements; {0} of them do all of this)"
    assert words.format(3) in first
    assert all(text.startswith(first.partition(" ")[0]) for text in others)
    assert words.format(1) in less.criteria[1].text


def test_an_attack_that_is_not_certain_is_none_that_a_bound_stops(tmp_path: Path) -> None:
    def works_in_two(asked: Asked) -> Values:
        values, scenario = as_the_paper_says(asked), asked.run.scenario
        unbounded = scenario.federation.aggregation == "mean"
        return replace(values, train=0.2) if unbounded and scenario.federation.seed == 3 else values

    found = statuses(tmp_path, ["E6"], works_in_two)
    assert (found["F1"], found["F2"]) == ("open", "open")


def test_of_those_that_resist_the_one_that_keeps_most_is_the_best() -> None:
    def candidate(name: str, rise: float, kept: float) -> Candidate:
        one = Estimate(rise, 0.01, 3)
        return Candidate(name, (one, one), Ratio(kept, kept - 0.1, kept + 0.1, 3))

    little, much, broken = candidate("a", 0.0, 0.6), candidate("b", 0.05, 0.9), candidate("c", 0.5, 1.0)
    assert closest([little, much, broken]) == much
    assert closest([broken, candidate("d", 0.2, 0.4)]).arm == "d"


def test_what_costs_nothing_beside_an_attacked_model_may_cost_much_beside_what_it_was(tmp_path: Path) -> None:
    def damaged(asked: Asked) -> Values:
        values = as_the_paper_says(asked)
        return replace(values, main=values.main - 0.3) if asked.after >= 0 else values

    study = write_study(tmp_path, ["E4"], damaged)
    c4 = next(one for one in study.result("E4").findings.verdicts if one.name == "C4")
    assert [criterion.status for criterion in c4.criteria] == ["supported", "supported", "contradicted"]
