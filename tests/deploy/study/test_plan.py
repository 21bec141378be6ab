"""Plans are plain data: what is run, once each, and from where it starts."""

import pytest

from coordinator.reading.cost import cost_of
from deploy.study.experiments import EXPERIMENTS
from deploy.study.federations import Data, shortage
from deploy.study.plan import Plan, chosen, make_plan
from deploy.study.sizes import PUBLISHED, QUICK, SIZES
from protocol.errors import UsageProblem
from tests.deploy.study.journals import STROKES, first_of, plan_of


def test_all_is_every_experiment_and_names_may_be_small() -> None:
    assert chosen(["all"]) == tuple(EXPERIMENTS)
    assert chosen(["e4", "E1"]) == ("E1", "E4")
    with pytest.raises(UsageProblem, match="no experiment is named 'E8'"):
        chosen(["E1", "E8"])


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_every_run_is_there_once_and_after_the_one_that_it_starts_from(size: object) -> None:
    plan = make_plan(tuple(EXPERIMENTS), STROKES, QUICK if size is QUICK else PUBLISHED, (1, 2))
    seen: set[str] = set()
    for run in plan.runs:
        assert run.id not in seen
        assert run.start is None or run.start in seen
        seen.add(run.id)
    assert {arm.run for arm in plan.arms} <= seen
    for run in plan.runs:
        if run.start:
            start, branch = plan.run(run.start).scenario, run.scenario
            first = start.federation.rounds
            assert start.attack.rounds == ()
            assert branch.attack.rounds[:1] in ((), (first + 1,))
            assert first in branch.evaluation.rounds or run.id.startswith("E5-")  # measured before the attack
            for key in ("seed", "participants", "server_rate"):
                assert getattr(branch.federation, key) == getattr(start.federation, key)
            assert (branch.model, branch.learning, branch.task) == (start.model, start.learning, start.task)


def test_pre_training_and_shared_federations_are_run_once_for_all() -> None:
    apart = sum(len(plan_of([name], (1,)).runs) for name in ("E1", "E2", "E4", "E6"))
    assert len(plan_of(["E1", "E2", "E4", "E6"], (1,)).runs) < apart - 4
    assert plan_of(["E3"]).runs == plan_of(["E1", "E2"]).runs
    assert {arm.experiment for arm in plan_of(["E3"]).arms_of("E3")} == {"E1", "E2"}


def test_more_seeds_change_nothing_about_those_that_were_there() -> None:
    few, more = plan_of(["E2"], (1,)), plan_of(["E2"], (1, 2))
    assert more.runs[: len(few.runs)] == few.runs
    assert [run.scenario.federation.seed for run in more.runs[len(few.runs) :]] == [2, 2, 2]


def scenario(plan: Plan, run_id: str):  # type: ignore[no-untyped-def]
    return plan.run(run_id).scenario


def test_the_arms_are_what_the_paper_page_says() -> None:
    plan = make_plan(tuple(EXPERIMENTS), STROKES, PUBLISHED, (1,))
    e1 = scenario(plan, "E1-s1")
    assert e1.evaluation.adaptation_steps == (0, 1, 5, 10, 20, 50, 100)
    assert e1.evaluation.backdoor_in_support == (False, True)
    holders = scenario(plan, "E2-holders-s1")
    assert holders.attack.benign_hold_backdoor
    assert [n - 2001 for n in holders.evaluation.rounds] == [-1, 0, 5, 10, 20, 50]
    assert scenario(plan, "E5-target-position-random-s1").attack.target_position == "random"
    assert scenario(plan, "matching-adaptive-norm-bound-s1").federation.aggregation == "norm-bound"
    assert scenario(plan, "matching-plain-mean-s1").model.shared == "features"
    assert scenario(plan, "pretrain-matching-norm-bound-s1").federation.aggregation == "norm-bound"
    patient = scenario(plan, "E6-adaptive-norm-bound-patient-s1")
    assert len(patient.attack.rounds) == PUBLISHED.patient
    alone = scenario(plan, "E7-depth-0-nobody-s1")
    assert (alone.model.shared, alone.attack.rounds, alone.evaluation.by) == (0, (), "participants")
    many = scenario(plan, "E7-depth-4-transfer-coordinate-median-patient-s1")
    assert many.attack.transfer
    assert (many.federation.participants, many.attack.participants) == (14, 3)


def test_few_classes_mean_fewer_participants_and_too_few_are_said_with_both_numbers() -> None:
    # 136 characters: 87 for training, so 14 participants of 6; 90 leave 41, so 6 of 6.
    for classes, participants in ((136, 14), (90, 6)):
        plan = make_plan(["E7"], Data("omniglot", classes), PUBLISHED, (1,))
        assert {run.scenario.federation.participants for run in plan.runs} == {participants}
    assert shortage(Data("omniglot", 90), 6) is None
    reason = shortage(Data("omniglot", 60), 4)
    assert reason is not None
    assert reason.startswith("omniglot has 60 classes, and 69 are needed")


def test_a_data_set_with_groups_of_its_own_sets_aside_what_these_hold() -> None:
    mini = Data("mini_imagenet", 100, {"train": 64, "validation": 16, "test": 20})
    plan = make_plan(["E1"], mini, QUICK, (1,))
    assert scenario(plan, "E1-s1").task.split.test == 15
    assert scenario(plan, "E1-s1").model.name == "conv4-pool"
    assert shortage(mini, 4) is None
    few = shortage(Data("mini_imagenet", 40, {"train": 10, "validation": 10, "test": 20}), 4)
    assert few == "mini_imagenet has 10 train classes, and 20 are needed"


def minutes(names: tuple[str, ...], size: object, seeds: int) -> float:
    plan = make_plan(names, STROKES, PUBLISHED if size is PUBLISHED else QUICK, range(1, seeds + 1))
    return sum(cost_of(run.scenario, first_of(plan, run)).total for run in plan.runs) / 60


def test_the_published_study_is_predicted_to_take_less_than_three_hours() -> None:
    assert minutes(tuple(EXPERIMENTS), PUBLISHED, 3) < 180


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_small_version_takes_minutes(name: str) -> None:
    assert minutes((name,), QUICK, 1) < 6
