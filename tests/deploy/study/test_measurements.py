"""Rows out of journals, and what is picked from them."""

import csv
from io import StringIO
from pathlib import Path

import pytest

from deploy.study.analyses.pieces import ANALYSES
from deploy.study.experiments import EXPERIMENTS
from deploy.study.findings import Table
from deploy.study.measurements import BEFORE, Pick, as_csv, main, train, versus_first
from deploy.study.statistics import Estimate
from tests.deploy.study.journals import (
    Asked,
    Values,
    as_the_paper_says,
    first_of,
    plan_of,
    write_run,
    write_study,
)


def by_moment(asked: Asked) -> Values:
    return Values(0.9, max(0.0, 0.5 - 0.01 * asked.after), 0.1 + 0.1 * asked.run.scenario.federation.seed)


def test_rounds_are_counted_from_the_attack(tmp_path: Path) -> None:
    measured = write_study(tmp_path, ["E2"], by_moment, (1, 2)).result("E2").measured
    pick = Pick("E2-apart", "linear")
    assert measured.by_seed(pick, BEFORE, train) == {1: 0.51, 2: 0.51}
    assert measured.by_seed(pick, 0, train) == {1: 0.5, 2: 0.5}
    assert measured.by_seed(pick, 50, train) == {1: 0.0, 2: 0.0}
    assert measured.by_seed(pick, 3, train) == {}
    assert list(measured.curve(pick, train)) == [-1, 0, 5, 10, 20, 50]
    assert measured.rise(pick, 10, train)[1] == pytest.approx(-0.11)


def test_rounds_between_the_first_and_the_last_attack_are_neither_before_nor_after(tmp_path: Path) -> None:
    measured = write_study(tmp_path, ["E6"], by_moment, (1,)).result("E6").measured
    phases = {(row.after, row.phase) for row in measured.rows if row.arm.name == "E6-adaptive-mean-patient"}
    assert phases >= {(-10, "before"), (-5, "during"), (0, "after"), (50, "after")}


def by_evaluator(asked: Asked) -> Values:
    return Values(0.8, {"participant-1": 0.2, "participant-2": 0.4}.get(asked.evaluator, 0.3), 0.1)


def test_several_evaluators_are_one_value_a_seed_and_malicious_ones_do_not_count(tmp_path: Path) -> None:
    def invent(asked: Asked) -> Values:
        # Of six participants the last attacks; what it says of itself is nobody's measurement.
        return Values(0.8, 1.0, 1.0) if asked.evaluator == "participant-6" else by_evaluator(asked)

    measured = write_study(tmp_path, ["E7"], invent, (1,)).result("E7").measured
    attacked = Pick("E7-depth-2-transfer-mean-once", "matching")
    assert measured.by_seed(attacked, 0, train)[1] == pytest.approx(0.3)
    evaluators = {row.evaluator for row in measured.rows if row.arm.name == attacked.arm}
    assert evaluators == {f"participant-{n}" for n in range(1, 6)}


def test_what_is_not_complete_is_left_out_and_said(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E2"], by_moment, (1,))
    plan = plan_of(["E2"], (1, 2))
    for run in plan.runs:
        if run.id.endswith("s2"):
            write_run(study.directory.run_dir(run.id), run, first_of(plan, run), by_moment, complete=False)
    ledger = study.ledger.model_copy(
        update={"seeds": (1, 2), "failures": {"E2-holders-s2": "the disk is full"}}
    )
    study.directory.write(ledger)
    result = type(study)(study.directory, ledger).result("E2")
    assert result.measured.by_seed(Pick("E2-apart", "linear"), 0, train).keys() == {1}
    unfinished = "it was not run to its end"
    assert result.missing == {
        "pretrain-linear-s2": unfinished,
        "E2-apart-s2": unfinished,
        "E2-holders-s2": "the disk is full",
    }


def test_every_measurement_is_a_line_of_the_csv(tmp_path: Path) -> None:
    measured = write_study(tmp_path, ["E2"], by_moment, (1,)).result("E2").measured
    rows = list(csv.DictReader(StringIO(as_csv(measured.rows))))
    assert len(rows) == 2 * 6 * 2  # arms, rounds, both cases of the support set
    first = rows[0]
    assert first["experiment"] == "E2"
    assert first["holders"] == "no"
    assert (first["phase"], first["rounds_after_attack"], first["backdoor_in_support"]) == (
        "before",
        "-1",
        "no",
    )
    assert (first["attack_train_mean"], first["attack_train_episodes"]) == ("0.51", "16")


def test_a_decision_is_compared_with_the_first_one_on_the_same_episodes(tmp_path: Path) -> None:
    result = write_study(tmp_path, ["E4"], as_the_paper_says, (1,)).result("E4")
    linear = Pick("linear-plain", "linear")
    assert result.measured.at(linear, 0, versus_first) is None
    matched = result.measured.at(Pick("linear-plain", "matching"), 0, versus_first)
    assert matched is not None
    assert matched.mean == pytest.approx(-0.75)
    assert matched.episodes == 0.02
    table = list(csv.DictReader(StringIO(result.findings.tables[0].csv())))
    cells = [row["attack-train − first decision, right after"] for row in table]
    assert cells.count("-0.750000") == 3  # of the linear federation; each of the others has a first one too
    lines = {
        (row["arm"], row["decision"]): row
        for row in csv.DictReader(StringIO(as_csv(result.measured.rows)))
        if row["rounds_after_attack"] == "0" and row["backdoor_in_support"] == "no"
    }
    assert lines["linear-plain", "linear"]["difference_against"] == ""
    fresh = lines["linear-plain", "fresh-head"]
    assert (fresh["difference_against"], fresh["attack_train_difference_mean"]) == ("linear", "-0.75")
    assert fresh["main_difference_ci95"] == "0.02"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_of_which_nothing_ran_has_an_analysis_all_the_same(name: str, tmp_path: Path) -> None:
    study = write_study(tmp_path, [], as_the_paper_says)
    study.directory.write(study.ledger.model_copy(update={"experiments": (name,)}))
    result = type(study).open(tmp_path).result(name)
    assert result.measured.rows == ()
    assert all(verdict.status == "open" for verdict in result.findings.verdicts)
    assert result.missing


def test_every_experiment_has_an_analysis() -> None:
    assert ANALYSES.keys() == EXPERIMENTS.keys()


def test_what_adapts_is_picked_at_the_users_fifty_steps(tmp_path: Path) -> None:
    def by_steps(asked: Asked) -> Values:
        return Values(0.9, asked.steps / 100, 0.0)

    measured = write_study(tmp_path, ["E1"], by_steps, (1,)).result("E1").measured
    assert measured.by_seed(Pick("E1", "linear"), 0, train) == {1: 0.5}
    assert measured.by_seed(Pick("E1", "linear", steps=100), 0, train) == {1: 1.0}
    assert measured.at(Pick("E1", "linear"), 0, main) == Estimate(0.9, None, 1, 0.02)


def test_a_table_as_csv_has_numbers_in_columns_of_their_own() -> None:
    table = Table("t", "", ("arm", "value"), (("a", Estimate(0.5, 0.1, 3)), ("b", None)))
    assert table.csv() == "arm,value,value ±95 %,value seeds\na,0.500000,0.100000,3\nb,,,\n"
    assert table.texts() == [["a", "0.500 ± 0.100"], ["b", ""]]
    assert table.label == ""


def test_one_seed_has_its_interval_over_episodes_and_the_caption_says_so() -> None:
    table = Table("t", "Values.", ("arm", "value"), (("a", Estimate(0.5, None, 1, 0.1)), ("b", None)))
    assert table.texts()[0] == ["a", "0.500 (±0.100)"]
    assert table.label == "Values. In parentheses: ± over episodes of one seed."
    header, first, _ = table.csv().splitlines()
    assert header == "arm,value,value ±95 %,value seeds,value ±95 % over episodes of one seed"
    assert first == "a,0.500000,,1,0.100000"


def test_the_interval_of_several_evaluators_is_that_of_their_mean(tmp_path: Path) -> None:
    measured = write_study(tmp_path, ["E7"], by_evaluator, (1,)).result("E7").measured
    found = measured.at(Pick("E7-depth-2-transfer-mean-once", "matching"), 0, train)
    assert found is not None
    assert found.episodes == pytest.approx(0.02 / 5**0.5)  # of five; each has ±0.02
    assert found.half is None
