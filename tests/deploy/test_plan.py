"""Who takes part in a local run, and how each is started."""

from pathlib import Path

from deploy.plan import (
    LocalRun,
    cast_roles,
    coordinator_arguments,
    default_attackers,
    participant_arguments,
)
from protocol.scenario import parse_scenario


def example(**changes: object) -> LocalRun:
    fields: dict[str, object] = {
        "scenario": Path("x.toml"),
        "overrides": ("task.way=5",),
        "run_dir": Path("r"),
        "data_dir": None,
        "device": "cpu",
        "roles": cast_roles(3, 1),
        "parent": 7,
        "debug": False,
    }
    return LocalRun(**{**fields, **changes})  # type: ignore[arg-type]


def test_the_last_participants_are_the_malicious_ones() -> None:
    assert cast_roles(3, 1) == {
        "participant-1": "benign",
        "participant-2": "benign",
        "participant-3": "malicious",
        "auditor": "auditor",
    }
    assert set(cast_roles(2, 0).values()) == {"benign", "auditor"}


def test_there_is_an_attacker_where_the_scenario_has_an_attack() -> None:
    assert default_attackers(parse_scenario("[attack]\nrounds = [3]")) == 1
    assert default_attackers(parse_scenario("[attack]\nrounds = [3]\nparticipants = 2")) == 2
    assert default_attackers(parse_scenario("")) == 0


def test_attackers_are_told_how_many_they_are() -> None:
    run = example(roles=cast_roles(4, 2))
    arguments = [participant_arguments(run, f"participant-{i}", "tcp://h:1") for i in (2, 3, 4)]
    assert "--attacker" not in arguments[0]
    assert [words[words.index("--attacker") + 1] for words in arguments[1:]] == ["1/2", "2/2"]


def test_participants_that_measure_need_no_auditor() -> None:
    assert "auditor" not in cast_roles(2, 0, auditor=False)


def test_the_coordinator_is_never_told_who_is_malicious() -> None:
    arguments = coordinator_arguments(example())
    assert arguments == [
        "coordinator", "start", "x.toml", "--bind", "tcp://127.0.0.1:*", "--run-dir", "r",
        "--keys", "r/keys", "--set", "task.way=5", "--parent", "7",
    ]  # fmt: skip


def test_a_restarted_coordinator_listens_where_the_participants_look() -> None:
    arguments = coordinator_arguments(example(), bind="tcp://127.0.0.1:5555", resume=True)
    assert arguments[3:5] == ["--bind", "tcp://127.0.0.1:5555"]
    assert "--resume" in arguments


def test_a_branch_begins_with_its_checkpoint_once_and_goes_on_from_its_own() -> None:
    branch = example(origin=Path("before/checkpoints/round-000100.safetensors"))
    arguments = coordinator_arguments(branch)
    assert arguments[arguments.index("--from") + 1] == "before/checkpoints/round-000100.safetensors"
    assert "--from" not in coordinator_arguments(branch, resume=True)


def test_a_participant_keeps_its_files_in_the_run_directory() -> None:
    arguments = participant_arguments(example(data_dir=Path("d")), "participant-3", "tcp://127.0.0.1:5555")
    assert arguments == [
        "participant", "start", "--coordinator", "tcp://127.0.0.1:5555", "--name", "participant-3",
        "--role", "malicious", "--key", "r/keys/participant-3.key",
        "--coordinator-key", "r/keys/coordinator.pub", "--attacker", "1/1", "--device", "cpu",
        "--data-dir", "d",
        "--state-dir", "r/participants/participant-3",
        "--log", "r/participants/participant-3.jsonl", "--parent", "7",
    ]  # fmt: skip


def test_debug_is_handed_on() -> None:
    assert coordinator_arguments(example(debug=True))[0] == "--debug"
    assert participant_arguments(example(debug=True), "auditor", "tcp://h:1")[0] == "--debug"
