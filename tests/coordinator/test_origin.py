"""Beginning with the model of another run: which checkpoint is meant, and when it does not fit."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from coordinator.checkpoints import CheckpointStore
from coordinator.origin import SAME, open_origin
from coordinator.state import FederationState, Unmeasured
from protocol.errors import UsageProblem
from protocol.manifest import Manifest
from protocol.scenario import Evaluation, Scenario, dump_scenario, parse_scenario
from tests.coordinator import tiny

RUN = "0123456789abcdef"
SCENARIO = tiny.scenario(rounds=10)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A run directory with checkpoints of rounds 2 and 4."""
    run_dir = tmp_path / "source"
    store = CheckpointStore(run_dir / "checkpoints", lambda _: True)
    for number in (2, 4):
        state = FederationState(
            run=RUN, round=number, roster=("ann", "bob"), shares={"ann": 0, "bob": 1, "gone": 2},
            previous={"ann": number, "bob": 1}, keep_from={"ann": 1}, auditor_seen=True, elapsed_s=9.0,
            evaluations=(Unmeasured(round=number),), completed=number == 4,
        )  # fmt: skip
        store.write(state, tiny.values(number, "model"))
    (run_dir / "scenario.toml").write_text(dump_scenario(SCENARIO))
    (run_dir / "split.json").write_text(tiny.SPLIT.model_dump_json())
    return run_dir


def problem_of(given: object, scenario: Scenario = SCENARIO, manifest: Manifest = tiny.MANIFEST) -> str:
    with pytest.raises(UsageProblem) as caught:
        open_origin(str(given)).check(scenario, manifest)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"--from {given}: ")
    return line.removeprefix(f"--from {given}: ")


@pytest.mark.parametrize(
    ("form", "number"),
    [
        ("{run}", 4),
        ("{run}:2", 2),
        ("{run}:000002", 2),
        ("{run}/checkpoints/round-000002.safetensors", 2),
        ("{run}/checkpoints/round-000004.json", 4),
    ],
)
def test_a_checkpoint_is_named_by_its_run_its_round_or_its_file(source: Path, form: str, number: int) -> None:
    origin = open_origin(form.format(run=source))
    origin.check(SCENARIO, tiny.MANIFEST)
    assert origin.checkpoint.state.round == number
    assert origin.checkpoint.model.digest() == tiny.values(number, "model").digest()
    assert origin.path == source / "checkpoints" / f"round-{number:06d}.safetensors"
    assert (origin.run_dir, origin.scenario, origin.split) == (source, SCENARIO, tiny.SPLIT)


def test_its_file_is_found_when_a_link_to_its_run_points_elsewhere(source: Path) -> None:
    latest = source.with_name("latest")
    latest.symlink_to(source.name)
    origin = open_origin(f"{latest}:2")
    latest.unlink()
    latest.symlink_to("new")
    assert origin.path.is_file()


def test_a_name_with_a_colon_in_it_is_a_name(source: Path) -> None:
    renamed = source.rename(source.with_name("pre:2"))
    assert open_origin(str(renamed)).checkpoint.state.round == 4
    assert open_origin(f"{renamed}:2").checkpoint.state.round == 2


def test_a_checkpoint_on_its_own_is_enough(source: Path, tmp_path: Path) -> None:
    for path in (source / "checkpoints").glob("round-000002.*"):
        path.rename(tmp_path / path.name)
    origin = open_origin(str(tmp_path / "round-000002.json"))
    origin.check(tiny.scenario(rounds=10, seed=99), tiny.MANIFEST)  # nothing says what its seed was
    assert (origin.run_dir, origin.scenario, origin.split) == (None, None, None)


def test_the_new_run_has_the_same_participants_shares_and_private_states(source: Path) -> None:
    state = open_origin(f"{source}:2").first_state(SCENARIO)
    assert state.run != RUN
    assert state == FederationState(
        run=state.run, round=2, roster=("ann", "bob"), shares={"ann": 0, "bob": 1, "gone": 2},
        previous={"ann": 2, "bob": 1}, keep_from={"ann": 2, "bob": 1},
    )  # fmt: skip


@pytest.mark.parametrize(("rounds", "due"), [((2,), True), ((3,), False)])
def test_the_model_that_it_begins_with_is_measured_if_it_is_due(
    source: Path, rounds: tuple[int, ...], due: bool
) -> None:
    scenario = SCENARIO.model_copy(update={"evaluation": Evaluation(rounds=rounds)})
    state = open_origin(f"{source}:2").first_state(scenario)
    assert state.evaluations == ((Unmeasured(round=2),) if due else ())


def test_what_is_not_there_is_said_with_what_is(source: Path, tmp_path: Path) -> None:
    assert "not there; name a run directory" in problem_of(tmp_path / "nowhere")
    assert "not there" in problem_of(f"{tmp_path}/nowhere:3")
    assert problem_of(f"{source}:3") == (
        "no checkpoint of that round is kept; there are those of rounds 2, 4"
    )
    assert problem_of(tmp_path) == "no run with a checkpoint is there"
    assert "not a checkpoint" in problem_of(source / "scenario.toml")


@pytest.mark.parametrize("kind", ["json", "safetensors"])
def test_a_damaged_one_is_refused(source: Path, kind: str) -> None:
    os.truncate(source / "checkpoints" / f"round-000004.{kind}", 20)
    assert f"cannot be used: round-000004.{kind}: " in problem_of(source)
    open_origin(f"{source}:2").check(SCENARIO, tiny.MANIFEST)


def test_one_of_another_version_says_so(source: Path) -> None:
    path = source / "checkpoints" / "round-000004.json"
    record = json.loads(path.read_text())
    del record["version"]
    path.write_text(json.dumps(record))
    assert "written by another version of fedmeta" in problem_of(source)


def test_a_damaged_split_is_refused(source: Path) -> None:
    (source / "split.json").write_text("{")
    assert "split.json is not a class split" in problem_of(source)


def test_a_model_of_other_parameters_is_refused(source: Path) -> None:
    assert "model.name, model.shared and task.way" in problem_of(source, manifest=Manifest(parameters=()))


def test_rounds_that_are_over_are_refused_and_the_last_one_can_be_measured(source: Path) -> None:
    fewer = tiny.scenario(rounds=3)
    assert "the model after round 4, and federation.rounds is 3" in problem_of(source, fewer)
    open_origin(str(source)).check(tiny.scenario(rounds=4), tiny.MANIFEST)


OTHER: dict[str, Any] = {
    "federation.seed": 2, "federation.participants": 5,
    "task.dataset": "omniglot", "task.classes": 150, "task.image_size": 32, "task.channels": 3, "task.way": 4,
    "task.split.test": 30, "task.split.validation": 9, "task.split.backdoor": 3, "task.split.target": 2,
    "model.name": "conv4-pool", "model.shared": 2,
}  # fmt: skip


def test_every_key_that_must_agree_is_tried() -> None:
    assert tuple(OTHER) == SAME


@pytest.mark.parametrize("key", OTHER)
def test_another_seed_data_set_or_model_is_refused_by_its_key(source: Path, key: str) -> None:
    other = parse_scenario(dump_scenario(SCENARIO), [f"{key}={OTHER[key]}"])
    problem = problem_of(source, other)
    assert f"that run had {key} = " in problem
    assert f"this scenario has {OTHER[key]!r}" in problem


def test_what_a_branch_is_for_may_differ(source: Path) -> None:
    branch = parse_scenario(
        dump_scenario(SCENARIO),
        [
            "attack.rounds=[5]",
            "decision.names=['matching']",
            "federation.aggregation=coordinate-median",
            "evaluation.episodes=7",
            "learning.inner_steps=9",
            "federation.selected=3",
        ],
    )
    open_origin(str(source)).check(branch, tiny.MANIFEST)
