"""An output directory holds one study: what does not belong to it is refused, with the way out."""

from pathlib import Path

import pytest

from deploy.study.ledger import DataRecord, Ledger, StudyDirectory, digest_of, joined
from deploy.study.plan import Plan
from protocol.errors import UsageProblem
from tests.deploy.study.journals import RECORD, as_the_paper_says, plan_of, write_run

HERE = Path("studies/strokes")
LEDGER = Ledger(version="0.1.0", data=RECORD, size="quick", experiments=("E1",), seeds=(1,))


def test_more_experiments_and_more_seeds_may_be_added() -> None:
    there = LEDGER.model_copy(update={"failures": {"E1-s1": "why"}})
    wanted = LEDGER.model_copy(update={"experiments": ("E2",), "seeds": (1, 2)})
    assert joined(None, wanted, HERE) == wanted
    both = joined(there, wanted, HERE)
    assert (both.experiments, both.seeds) == (("E1", "E2"), (1, 2))
    assert both.failures == {"E1-s1": "why"}
    assert joined(both, LEDGER, HERE).seeds == (1, 2)  # fewer do not forget the others


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": "0.2.0"}, "holds a study of 0.1.0 (fedmeta's version), and this is 0.2.0"),
        ({"size": "published"}, "holds a study of quick (the size), and this is published"),
        (
            {"data": DataRecord(name="omniglot", classes=136, digest="cd" * 32)},
            "strokes with 400 classes (digest abababababab) (the data set), and this is omniglot with 136",
        ),
    ],
)
def test_another_version_data_set_or_size_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        joined(LEDGER, LEDGER.model_copy(update=change), HERE)
    assert says in str(problem.value)
    assert str(problem.value).endswith("choose another --output")


def test_a_run_that_had_another_scenario_is_refused_by_the_key_that_differs(tmp_path: Path) -> None:
    directory, plan = StudyDirectory(tmp_path), plan_of(["E1"], (1,))
    run = plan.run("E1-s1")
    write_run(directory.run_dir(run.id), run, 300, as_the_paper_says)
    directory.check_runs(plan)
    longer = run.scenario.model_copy(update={"attack": run.scenario.attack.model_copy(update={"steps": 7})})
    other = Plan(plan.experiments, (type(run)(run.id, longer, run.start),), plan.arms)
    with pytest.raises(UsageProblem) as problem:
        directory.check_runs(other)
    assert (
        "E1-s1: was run with another attack.steps (1000, not 7); choose another --output, or delete"
        in str(problem.value)
    )


def test_a_ledger_is_read_back_and_something_else_in_its_place_is_refused(tmp_path: Path) -> None:
    directory = StudyDirectory(tmp_path / "study")
    assert directory.read() is None
    directory.write(LEDGER)
    assert directory.read() == LEDGER
    for text, reason in (
        ("[]", "Input should be an object; "),
        ('{"version": 1}', "version: Input should be a valid string; "),
        ("{", "Invalid JSON: "),
    ):
        directory.ledger.write_text(text)
        with pytest.raises(UsageProblem) as problem:
            directory.read()
        assert f"study.json: cannot be read: {reason}" in str(problem.value)
        assert str(problem.value).endswith("; choose another --output")


def test_a_run_whose_scenario_is_broken_is_refused_with_the_way_out(tmp_path: Path) -> None:
    directory, plan = StudyDirectory(tmp_path), plan_of(["E1"], (1,))
    run_dir = directory.run_dir("E1-s1")
    run_dir.mkdir(parents=True)
    (run_dir / "scenario.toml").write_text("[federation")
    with pytest.raises(UsageProblem) as problem:
        directory.check_runs(plan)
    assert "scenario.toml: not TOML" in str(problem.value)
    assert str(problem.value).endswith(f"; choose another --output, or delete {run_dir}")


def test_a_directory_is_free_where_nothing_is_or_a_study(tmp_path: Path) -> None:
    directory = StudyDirectory(tmp_path / "study")
    directory.check_free()
    with directory.locked():
        directory.check_free()  # of a study that was killed before it began
    directory.write(LEDGER)
    (directory.path / "notes.txt").touch()
    directory.check_free()
    directory.ledger.unlink()
    with pytest.raises(UsageProblem, match="is not empty and holds no study"):
        directory.check_free()


def test_two_studies_at_once_do_not_share_a_directory(tmp_path: Path) -> None:
    with (
        StudyDirectory(tmp_path).locked(),
        pytest.raises(UsageProblem, match="another `fedmeta reproduce` is at work here"),
        StudyDirectory(tmp_path).locked(),
    ):
        pass
    with StudyDirectory(tmp_path).locked():  # and it is free again
        pass
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageProblem, match="cannot use this output directory"),
        StudyDirectory(tmp_path / "file").locked(),
    ):
        pass


def test_a_digest_is_of_the_classes_and_how_many_images_each_has() -> None:
    assert digest_of({"a": 20, "b": 20}) == digest_of({"b": 20, "a": 20})
    assert len({digest_of({"a": 20}), digest_of({"a": 19}), digest_of({"b": 20})}) == 3
