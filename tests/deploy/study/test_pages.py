"""What a study writes: a page and files for each experiment, an overview, and one page of results."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.study.experiments import EXPERIMENTS
from deploy.study.ledger import StudyDirectory
from deploy.study.measurements import Measurements
from deploy.study.pages import commands, why_missing, write_experiment, write_overview
from deploy.study.results import write_results
from deploy.study.statistics import Estimate, Lifespan
from deploy.study.study import Result, Study
from deploy.study.targets import targets
from tests.deploy.study.journals import Asked, Invent, Values, as_the_paper_says, write_study

LINEAR = "300 rounds of pre-training (linear head)"
BOTH = f"{LINEAR}, 150 rounds of pre-training (matching loss)"
ROUNDS = "benign rounds after the attack"
AXES = {
    **{"backdoor-by-adaptation-steps": "adaptation steps", "persistence": ROUNDS, "support": ROUNDS},
    **{"decisions": ROUNDS, "variations": "", "adaptive": ROUNDS, "trade-off": "main-task accuracy, +50"},
    **{"gain-kept": "share of the gain kept", "by-depth": "shared blocks"},
}
PRETRAININGS = {
    **dict.fromkeys(("E1", "E2", "E3", "E5"), LINEAR),
    **dict.fromkeys(("E4", "E6"), BOTH),
    "E7": "40 rounds of pre-training (matching loss of many participants)",
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_has_a_page_that_opens_offline_and_every_number_as_csv(
    name: str, tmp_path: Path
) -> None:
    study = write_study(tmp_path, [name], as_the_paper_says)
    result = study.result(name)
    page = write_experiment(study, result).read_text()
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert f"fedmeta reproduce {name} --seeds 3 --quick --output {tmp_path}" in page
    assert "strokes, 400 classes (digest abababababab)" in page
    assert f"quick: {PRETRAININGS[name]}</" in page
    assert "Not a result." in page  # it is the small version
    assert "torch" in page
    assert ("a negative one is below training alone" in page) is (name in ("E4", "E6", "E7"))
    there = {path.name for path in (tmp_path / name).iterdir()}
    assert {"measurements.csv", "report.html"} <= there
    for figure in result.findings.figures:
        assert {f"{figure.stem}.png", f"{figure.stem}.svg"} <= there
        assert {panel.x_label for panel in figure.panels} == {AXES[figure.stem]}
    for table in result.findings.tables:
        assert f"{table.stem}.csv" in there
    for verdict in result.findings.verdicts:
        assert f"{verdict.name}. " in page
    for linked in re.findall(r'href="([^#"]+)"', page):
        assert (tmp_path / name / linked).is_file()


def test_the_overview_has_all_claims_and_leads_to_the_experiments(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E1", "E2"], as_the_paper_says)
    results = [study.result(name) for name in ("E1", "E2")]
    for result in results:
        write_experiment(study, result)
    page = write_overview(study, results).read_text()
    for claim in ("C1. ", "C2. ", "C2 (holders). "):
        assert claim in page
    links = re.findall(r'href="([^#"]+)"', page)
    assert "E1/report.html" in links
    for linked in links:
        assert (tmp_path / linked).is_file()


def test_a_missing_run_and_its_reason_are_on_the_page_with_the_rest(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E2"], as_the_paper_says)
    journal = study.directory.run_dir("E2-holders-s2") / "journal.jsonl"
    journal.write_text(journal.read_text().replace("run_completed", "run_failed"))
    study = replace(
        study, ledger=study.ledger.model_copy(update={"failures": {"E2-holders-s2": "no <disk>"}})
    )
    page = write_experiment(study, study.result("E2")).read_text()
    assert "E2: 1 run is missing, the rest is shown. E2-holders-s2: no &lt;disk&gt;" in page
    assert "0.900 ± 0.025" in page  # the other arm, over three seeds


def test_a_failed_pre_training_is_the_reason_of_what_depends_on_it(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E2"], as_the_paper_says)
    failures = {"pretrain-linear-s2": "no memory"}
    for name in ("pretrain-linear-s2", "E2-apart-s2", "E2-holders-s2"):
        (study.directory.run_dir(name) / "journal.jsonl").unlink()
        failures.setdefault(name, "the run that it starts from, pretrain-linear-s2, failed")
    study = replace(study, ledger=study.ledger.model_copy(update={"failures": failures}))
    page = write_experiment(study, study.result("E2")).read_text()
    assert (
        "E2: 3 runs are missing, the rest is shown. pretrain-linear-s2: no memory; E2-apart-s2, E2-" in page
    )
    assert "4 of 6 federations complete" in page
    row = next(row for row in page.split("<tr>") if row.startswith("<td>pretrain-linear-s2</td>"))
    assert ">no memory</td>" in row


def test_where_nothing_was_measured_yet_criteria_and_facts_say_so(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E1"], as_the_paper_says)
    for journal in (tmp_path / "study" / "runs").glob("*/journal.jsonl"):
        journal.unlink()
    text = results_of([study], tmp_path / "docs")
    assert "- episodes: nothing measured\n" in text
    assert (
        "after the most adaptation steps it still is at least .5, its interval above chance (.2). Found"
        in text
    )
    for strange in ("no a measurement", "after 0 adaptation"):
        assert strange not in text
        assert strange not in write_experiment(study, study.result("E1")).read_text()


def test_of_many_missing_runs_with_one_reason_the_first_are_named(tmp_path: Path) -> None:
    result = write_study(tmp_path, ["E2"], as_the_paper_says).result("E2")
    four = {f"E2-apart-s{seed}": "not run" for seed in range(1, 5)}
    assert why_missing(replace(result, missing={**four, "E2-holders-s1": "no disk"})) == (
        "E2-apart-s1, E2-apart-s2, E2-apart-s3, E2-apart-s4: not run; E2-holders-s1: no disk"
    )
    assert why_missing(replace(result, missing={**four, "E2-apart-s5": "not run"})) == (
        "E2-apart-s1, E2-apart-s2, E2-apart-s3 and 2 more: not run"
    )


def test_the_command_is_one_that_makes_the_study_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    usual = write_study(Path("studies/strokes-quick"), ["E1"], as_the_paper_says)
    assert commands(usual, "E1") == ["fedmeta reproduce E1 --seeds 3 --quick"]
    mine = replace(usual, directory=StudyDirectory(Path("out/my study")))
    assert commands(mine, "E1") == ["fedmeta reproduce E1 --seeds 3 --quick --output 'out/my study'"]
    absolute = replace(usual, directory=StudyDirectory(tmp_path / "out"))
    assert commands(absolute, "E1") == [f"fedmeta reproduce E1 --seeds 3 --quick --output {tmp_path}/out"]
    assert commands(absolute, "E1", elsewhere=True) == ["fedmeta reproduce E1 --seeds 3 --quick"]


def codes(study: Study, **made: str) -> None:
    """All runs were made by code 1111…, but those that are named by another one; "" leaves it out."""
    for run_dir in (study.directory.path / "runs").iterdir():
        if digest := made.get(run_dir.name.replace("-", "_"), "1" * 64):
            (run_dir / "code.json").write_text(json.dumps({"sha256": digest.split()}))


def test_the_code_that_made_the_runs_is_on_the_page(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E2"], as_the_paper_says)
    codes(study)
    result = study.result("E2")
    for page in (write_experiment(study, result), write_overview(study, [result])):
        assert "111111111111" in page.read_text()
        assert "not all runs were made by the same code" not in page.read_text()
    text = results_of([study], tmp_path / "docs")
    assert "- code: 111111111111\n" in text
    assert "Not one code" not in text


ONE, OTHER = "1" * 12, "2" * 12
STARTS, RUNS = "pre-training (linear head) ×", "federation (linear head) ×"


@pytest.mark.parametrize(
    ("made", "counts"),
    [
        ({"E2_apart_s2": "2" * 64}, f"{ONE} made {STARTS} 3, {RUNS} 5; {OTHER} made {RUNS} 1. For"),
        ({"pretrain_linear_s1": "2" * 64}, f"{OTHER} made {STARTS} 1; {ONE} made {RUNS} 6, {STARTS} 2. For"),
        (
            {"E2_apart_s2": f"{'1' * 64} {'2' * 64}"},
            f"{ONE} made {STARTS} 3, {RUNS} 6; {OTHER} made {RUNS} 1. For",
        ),
        ({"E2_holders_s3": ""}, f"{ONE} made {STARTS} 3, {RUNS} 5; not on record made {RUNS} 1. For"),
    ],
    ids=["another", "of a pre-training", "gone on with by another", "from before there was a record"],
)
def test_runs_of_more_than_one_code_are_said_to_be(made: dict[str, str], counts: str, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E2"], as_the_paper_says)
    codes(study, **made)
    result = study.result("E2")
    says = f"E2: not all runs were made by the same code, .* By digests of the code: {re.escape(counts)}"
    assert re.search(says, write_experiment(study, result).read_text())
    assert re.search(says, write_overview(study, [result]).read_text())
    assert re.search(r"\*\*Not one code\.\*\* " + says, results_of([study], tmp_path / "docs"))


def test_where_federations_that_are_compared_are_of_different_code_it_is_said(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E4"], as_the_paper_says, (1,))
    linear = {"pretrain_linear_s1": "2" * 64, "linear_plain_s1": "2" * 64}
    codes(study, **linear)
    text = results_of([study], tmp_path / "docs")
    assert f"{OTHER} made {STARTS} 1, {RUNS} 1; {ONE} made pre-training (matching loss) × 3, " in text
    assert "Linear head and matching loss are not of the same code." in text
    assert "- runs: 7 of 7 federations complete, from 4 of 4 pre-trainings" in text


def test_pages_of_one_seed_begin_with_that_there_are_no_verdicts(tmp_path: Path) -> None:
    one = write_study(tmp_path / "one", ["E1"], as_the_paper_says, (1,))
    more = write_study(tmp_path / "more", ["E1"], as_the_paper_says)
    for study, there in ((one, True), (more, False)):
        result = study.result("E1")
        write_experiment(study, result)
        whole = (study.directory.path / "E1" / "report.html").read_text()
        assert ("In parentheses: ± over episodes of one seed." in whole) is there
        assert ("bands and bars are ± over episodes of one seed." in whole) is there
        assert (" (±0.020)" in whole) is there
        for page in (write_experiment(study, result), write_overview(study, [result])):
            before, _, _ = page.read_text().partition("<h2")
            assert ("One seed: no verdicts." in before) is there
    text = results_of([one, more], tmp_path / "docs")
    assert text.count("One seed: no verdicts.") == 1
    assert text.index("**strokes-quick (E1):** One seed: no verdicts.") < text.index("| claim |")


def weak(asked: Asked) -> Values:
    """As the paper says, but the backdoor does not last."""
    values = as_the_paper_says(asked)
    return replace(values, train=0.15, validation=0.1) if asked.after > 0 else values


def results_of(studies: list[Study], folder: Path) -> str:
    write_results(studies, folder / "RESULTS.md")
    return (folder / "RESULTS.md").read_text()


def test_results_are_one_page_of_all_studies_and_say_where_the_numbers_disagree(tmp_path: Path) -> None:
    strokes = write_study(tmp_path / "strokes", ["E1", "E2"], as_the_paper_says)
    other = write_study(tmp_path / "omniglot", ["E1", "E2"], weak)
    record = other.ledger.data.model_copy(update={"name": "omniglot"})
    other = replace(other, ledger=other.ledger.model_copy(update={"data": record}))
    text = results_of([strokes, other], tmp_path / "docs")
    assert "| claim | strokes-quick | omniglot-quick |" in text
    assert re.search(r"\*\*C2\*\* The backdoor persists .* \| supported \| not supported \|", text)
    assert (
        "On omniglot-quick (the small version), C2 is not supported: 50 benign rounds after one attack"
        in text
    )
    assert (
        "On omniglot-quick (the small version): of 3 claims, 1 supported, 2 not supported, 0 inconclusive."
        in text
    )
    assert "On strokes-quick, C2" not in text
    assert (
        "On omniglot-quick (the small version), missed by the mean; the interval shows it: undefended, "
        "attack-train, +50 should be at least 0.70, and is 0.150" in text
    )
    assert str(tmp_path) not in text
    assert "--dataset omniglot --data-dir DATA_DIR --seeds 3 --quick" in text
    for figure in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (tmp_path / "docs" / figure).is_file()
    assert re.findall(r"\]\((measured/[^)]+)\)", text) == [
        "measured/strokes-quick.tar.xz",
        "measured/omniglot-quick.tar.xz",
    ]
    assert "figures/omniglot-quick-E1-backdoor-by-adaptation-steps.svg" in text


def unlike(asked: Asked) -> Values:
    """As the paper says, but the users of seed 3 take one class for the other from the beginning."""
    values = as_the_paper_says(asked)
    alike = asked.run.scenario.federation.seed == 3 and asked.after < 0
    return replace(values, train=0.85) if alike else values


def test_what_is_inconclusive_is_counted_and_named_with_the_values_of_its_seeds(tmp_path: Path) -> None:
    text = results_of([write_study(tmp_path / "study", ["E1", "E2"], unlike)], tmp_path / "docs")
    assert (
        "On strokes-quick (the small version): of 3 claims, 0 supported, 0 not supported, 3 inconclusive: "
        "C1, C2, C2 (holders), which these numbers neither support nor contradict." in text
    )
    assert (
        "(seed 1: 0.750, seed 2: 0.750, seed 3: 0.060; before the attack, seed 3: 0.85, where chance is 0.20)"
        in text
    )
    # Narrow ones do without.
    assert "Found 0.900 ± 0.025 over 3 seeds: supported." in text


def test_what_an_attack_adds_is_in_the_tables_and_no_lifespan_is_of_what_was_there_before(
    tmp_path: Path,
) -> None:
    study = write_study(tmp_path / "study", ["E2"], unlike)
    (table,) = study.result("E2").findings.tables
    row = dict(zip(table.header, table.rows[0], strict=True))
    rise = row["rise, +50"]
    assert isinstance(rise, Estimate)
    assert rise.values == pytest.approx((0.75, 0.75, 0.06), abs=0.03)
    assert row["median lifespan"] == Lifespan(50, math.inf)  # of seeds 1 and 2
    (panel, _) = study.result("E2").findings.figures[0].panels
    assert panel.ticks == ((-6.0, "before"), (0.0, "0"), (10.0, "10"), (20.0, "20"), (50.0, "50"))
    assert {series.x[0] for series in panel.series} == {-6.0}


def test_the_words_of_the_page_are_explained_with_the_numbers_of_its_size(tmp_path: Path) -> None:
    text = results_of([write_study(tmp_path / "study", ["E1"], as_the_paper_says)], tmp_path / "docs")
    assert "| patient | attacks in 10 rounds in a row, with 100 steps" in text
    assert "| adaptive attacker | `feature_collision`, 300 steps: " in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.9, 0.9, 0.91), "met by the mean; the interval shows it"),
        ((0.8, 0.9, 1.0), "met by the mean; the interval does not show it"),
        ((0.9,), "met in one seed; there is no interval"),
        ((0.5, 0.9, 1.0), "missed by the mean; the interval does not show it"),
        ((0.5, 0.5, 0.51), "missed by the mean; the interval shows it"),
    ],
)
def test_a_target_is_judged_by_the_mean_and_says_whether_the_interval_does_too(
    values: tuple[float, ...], words: str, tmp_path: Path
) -> None:
    def invent(asked: Asked) -> Values:
        return replace(as_the_paper_says(asked), train=values[asked.run.scenario.federation.seed - 1])

    study = write_study(tmp_path / "study", ["E1"], invent, range(1, len(values) + 1))
    assert targets(study, [study.result("E1")])[0].words == words  # right after: at least .85
    text = results_of([study], tmp_path / "docs")
    assert re.search(rf"\| undefended, attack-train, right after \| .* \| {words} \(small version\) \|", text)
    assert ("(the small version; one seed)" in text) is (len(values) == 1)


def test_the_way_to_unpack_the_measurements_is_given_from_a_folder_that_is_named(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E1"], as_the_paper_says, (1,))
    unpack = "`mkdir -p studies && tar -xf {}measured/strokes-quick.tar.xz -C studies`"
    text = results_of([study], tmp_path / "docs")
    assert f": from this page's folder, {unpack.format('')} makes a study" in text
    (tmp_path / ".git").mkdir()
    text = results_of([study], tmp_path / "docs")
    assert f": from the repository's root, {unpack.format('docs/')} makes a study" in text
    assert (
        "[measured/strokes-quick.tar.xz](measured/strokes-quick.tar.xz)" in text
    )  # a page's links are its own


def test_targets_are_met_or_missed_or_not_measured(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E1", "E4", "E6"], as_the_paper_says)
    found = {
        target.text: target.met for target in targets(study, [study.result(n) for n in ("E1", "E4", "E6")])
    }
    assert found["undefended, attack-train, right after"] is True  # .90
    assert found["undefended, attack-validation, right after"] is False  # .45
    assert found["undefended, attack-train, +50"] is True
    assert targets(study, [study.result("E4")])[0].met is None  # E1 was not run
    best = [text for text in found if text.startswith("best defended against the adaptive attacker")]
    assert len(best) == 3
    assert all("norm-bound" in text or "coordinate-median" in text for text in best)
    assert all(found[text] for text in best)
    assert all("; best of 4 configurations, chosen on these measurements)" in text for text in best)


def test_who_was_not_measured_at_every_moment_is_not_the_best_defended(tmp_path: Path) -> None:
    study = write_study(tmp_path, ["E4"], as_the_paper_says)
    whole = study.result("E4")

    def best(result: Result) -> str:
        return next(one.text for one in targets(study, [result]) if one.text.startswith("best defended"))

    name = best(whole).partition("attacker (")[2].partition(",")[0]
    assert "best of 3 configurations" in best(whole)
    rows = [row for row in whole.measured.rows if row.arm.name != name or row.after != 50]
    partly = best(replace(whole, measured=Measurements(rows)))
    assert name not in partly
    assert "best of 1 configurations" in partly


def e7_targets(folder: Path, invent: Invent = as_the_paper_says) -> dict[str, bool | None]:
    study = write_study(folder, ["E7"], invent)
    found = targets(study, [study.result("E7")])
    return {target.text: target.met for target in found if target.text.startswith("many participants")}


def test_sharing_less_is_to_resist_and_keep_half_of_a_gain_without_a_norm_bound(tmp_path: Path) -> None:
    found = e7_targets(tmp_path / "met")
    # Of depths 4 and 2 by the mean, and of both by the coordinate median.
    name = "without a norm bound (E7-depth-4-transfer-coordinate-median-once; best of 4 configurations, "
    assert sum(name in text for text in found) == 3
    assert len(found) == 4
    assert set(found.values()) == {True}


def test_what_shares_less_and_keeps_little_misses_its_target(tmp_path: Path) -> None:
    def only_the_bound_helps(asked: Asked) -> Values:
        values, attack = as_the_paper_says(asked), asked.run.scenario.attack
        bound = asked.run.scenario.federation.aggregation == "norm-bound"
        return replace(values, train=0.9) if asked.after >= 0 and attack.rounds and not bound else values

    found = e7_targets(tmp_path, only_the_bound_helps)
    assert [met for text, met in found.items() if "above before" in text] == [False, False]
    assert not any("norm-bound-once" in text for text in found)


def test_without_a_gain_nothing_is_said_to_be_kept(tmp_path: Path) -> None:
    found = e7_targets(tmp_path, lambda asked: Values(0.9, 0.2, 0.2))
    assert list(found.values()) == [False, None]
