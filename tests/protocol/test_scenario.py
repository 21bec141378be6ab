from pathlib import Path

import pytest

from protocol.errors import UsageProblem
from protocol.scenario import Evaluation, Scenario, ServerRate, dump_scenario, load_scenario, parse_scenario


def problem_of(text: str, *overrides: str) -> str:
    with pytest.raises(UsageProblem) as caught:
        parse_scenario(text, overrides, source="my.toml")
    message = str(caught.value)
    assert "\n" not in message
    return message


# What is read


def test_an_empty_file_is_the_default_scenario() -> None:
    assert parse_scenario("") == Scenario()


def test_a_file_says_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[federation]\nrounds = 12\n[task]\nshots = [1, 5]\n[attack]\nrounds = [9, 3]\n")
    scenario = load_scenario(path)
    assert (scenario.federation.rounds, scenario.task.shots, scenario.attack.rounds) == (12, (1, 5), (3, 9))
    assert scenario.learning == Scenario().learning


def test_the_scenario_as_run_reads_back_equal() -> None:
    scenario = parse_scenario(
        """
        [model]
        shared = 2
        [attack]
        rounds = [4, 5]
        boost = 3.5
        target_position = "random"
        [evaluation]
        backdoor_in_support = [false, true]
        """
    )
    text = dump_scenario(scenario)
    assert parse_scenario(text) == scenario
    assert dump_scenario(parse_scenario(text)) == text
    assert "inner_steps = 5" in text


def test_overrides_are_toml_values_and_bare_words() -> None:
    scenario = parse_scenario(
        "[task]\nway = 3\n",
        ["task.shots=[1, 5]", "task.dataset=omniglot", "federation.server_rate.initial=0.5", "task.way = 4"],
    )
    assert scenario.task.shots == (1, 5)
    assert scenario.task.dataset == "omniglot"
    assert scenario.task.way == 4
    assert scenario.federation.server_rate.initial == 0.5


def test_the_rounds_of_an_attack_can_be_a_schedule() -> None:
    scenario = parse_scenario("[attack]\nrounds = { first = 10, last = 31, every = 10 }\n")
    assert scenario.attack.rounds == (10, 20, 30)
    assert parse_scenario("", ["attack.rounds={first = 2, last = 4}"]).attack.rounds == (2, 3, 4)
    assert parse_scenario(dump_scenario(scenario)) == scenario


def test_one_number_of_adaptation_steps_or_several_in_order() -> None:
    assert parse_scenario("[evaluation]\nadaptation_steps = 7\n").evaluation.adaptation_steps == (7,)
    several = parse_scenario("[evaluation]\nadaptation_steps = [50, 0, 5]\n")
    assert several.evaluation.adaptation_steps == (0, 5, 50)
    assert parse_scenario(dump_scenario(several)) == several


# What is refused, and how it is said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(UsageProblem) as caught:
        load_scenario(path)
    assert str(caught.value) == f"{path}: cannot read the scenario: No such file or directory"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "picture.toml"
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(UsageProblem, match="cannot read the scenario: not UTF-8 text"):
        load_scenario(path)


def test_a_file_that_is_no_toml() -> None:
    assert problem_of("[federation\n").startswith("my.toml: not TOML: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[model]\nshared = "foo"',
            'model.shared: must be "all", "features" or a whole number, at least 0, not "foo"',
        ),
        (
            "[model]\nshared = -1",
            'model.shared: must be "all", "features" or a whole number, at least 0, not -1',
        ),
        (
            "[federation]\nnorm_bound = 0",
            'federation.norm_bound: must be "median" or a number, above 0, not 0',
        ),
        *(
            (
                f"[attack]\nrounds = {schedule}",
                "attack.rounds: must be a list of rounds, or { first = 10, last = 50, every = 5 } with "
                "1 <= first <= last, of at most 16384 rounds",
            )
            for schedule in (
                "{ first = 1 }",
                "{ first = 5, last = 2 }",
                "{ first = 1, last = 9, evry = 2 }",
                "{ first = 1, last = 2000000000 }",
            )
        ),
        ("[attack]\nboost = -1", 'attack.boost: must be "replace" or a number, above 0, not -1'),
        (
            '[attack]\ntarget_position = "first"',
            'attack.target_position: must be "random" or a whole number, at least 0, not "first"',
        ),
        (
            "[task]\nshots = 3",
            "task.shots: must be a list in [ ] of at least 1 entry, each a whole number, at least 1, not 3",
        ),
        (
            "[task]\nshots = []",
            "task.shots: must be a list in [ ] of at least 1 entry, each a whole number, at least 1, not []",
        ),
        (
            "[evaluation]\nbackdoor_in_support = []",
            "evaluation.backdoor_in_support: must be a list in [ ] of at least 1 entry, each true or false, "
            "not []",
        ),
        ('[task]\nshots = [1, "5"]', 'task.shots: entry 2 must be a whole number, at least 1, not "5"'),
        ('[attack]\nrounds = [5, "a"]', 'attack.rounds: entry 2 must be a whole number, at least 1, not "a"'),
        ("[task]\nchannels = 2", "task.channels: must be 1 or 3, not 2"),
        ("[task]\nway = 65", "task.way: must be a whole number, at least 2 and at most 64, not 65"),
        (
            "[task]\nquery = 1048576",
            "task.query: must be a whole number, at least 1 and under 1048576, not 1048576",
        ),
        ("[learning]\nrotations = 1", "learning.rotations: must be true or false, not 1"),
        ("[federation]\nrounds = 1.5", "federation.rounds: must be a whole number, at least 1, not 1.5"),
        ("[evaluation]\ndeadline_s = nan", "evaluation.deadline_s: must be a number, above 0, not NaN"),
        (
            '[task]\ndataset = "Mini ImageNet"',
            'task.dataset: must be a name in lower-case letters, digits, - and _, not "Mini ImageNet"',
        ),
        (
            "[federation]\nserver_rate = 1",
            "federation.server_rate: must be a section with the keys initial, final, decay_rounds, after, "
            "not 1",
        ),
        (
            "[task.split]\ntests = 3",
            "task.split.tests: unknown key; known here: test, validation, backdoor, target",
        ),
        (
            "[fedration]\nrounds = 3",
            "fedration: unknown key; known here: "
            "federation, task, model, learning, attack, decision, evaluation",
        ),
        (
            "[task]\nway = 1\nquery = 0",
            "task.way: must be a whole number, at least 2 and at most 64, not 1 (and 1 more problem)",
        ),
    ],
)
def test_a_wrong_value_is_answered_with_every_right_one(text: str, problem: str) -> None:
    assert problem_of(text) == f"my.toml: {problem}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[federation]\nselected = 9",
            "federation: min_updates <= selected <= participants must hold, but they are 4, 9, 4",
        ),
        (
            "[federation]\nnorm_bound = 2.0",
            'federation: norm_bound does nothing with aggregation "mean"; set that to "norm-bound"',
        ),
        (
            "[federation]\nliveness_s = 1.5",
            "federation: liveness_s must be at least twice heartbeat_s (1.0)",
        ),
        (
            "[federation]\nrounds = 9\n[attack]\nrounds = [10]",
            "attack.rounds must lie in 1..9 (federation.rounds)",
        ),
        (
            "[federation]\nrounds = 9\n[evaluation]\nrounds = [10]",
            "evaluation.rounds must lie in 0..9 (federation.rounds)",
        ),
        ("[attack]\ntarget_position = 5", "attack.target_position must be under task.way (5)"),
        ("[attack]\nbackdoor_classes = 5", "attack.backdoor_classes must be at most task.split.backdoor (4)"),
        (
            '[decision]\nnames = ["linear", "linear"]',
            "decision.names must not name anything twice: it would be measured twice",
        ),
        ("[task]\nshots = [5, 5]", "task.shots must not name anything twice: it would be measured twice"),
        ("[task.split]\ntest = 4", "task.split.test must be at least task.way (5)"),
    ],
)
def test_impossible_combinations_are_refused(text: str, problem: str) -> None:
    assert problem_of(text) == f"my.toml: {problem}"


def test_a_wrong_override_is_named_instead_of_the_file() -> None:
    assert problem_of("[task]\nway = 5", "task.shots=3").startswith(
        "--set task.shots=3: task.shots: must be a list in [ ]"
    )
    assert problem_of("", "federation.selected=9").startswith("my.toml with --set: federation: min_updates")


def test_a_long_wrong_value_is_cut() -> None:
    assert len(problem_of("", f"task.dataset={'X' * 1000}")) < 1200
    assert problem_of(f'[task]\ndataset = "{"X" * 1000}"').endswith("X…")


@pytest.mark.parametrize("override", ["task.way", "=3", "task..way=3", ".way=3"])
def test_an_override_without_key_or_value_is_answered_with_the_form(override: str) -> None:
    assert problem_of("", override) == (
        f"--set {override}: write SECTION.KEY=VALUE, for instance task.dataset=omniglot"
    )


def test_an_override_cannot_go_into_a_value() -> None:
    assert problem_of("[task]\nway = 5", "task.way.x=3") == (
        "--set task.way.x=3: 'way' is a value, not a section"
    )


# What it decides


def test_the_server_s_rate_falls_linearly_and_stays() -> None:
    rate = ServerRate(initial=1.0, final=0.0, decay_rounds=10, after=0.3)
    assert [rate.at(r) for r in (1, 6, 10, 11, 500)] == pytest.approx([1.0, 0.5, 0.1, 0.3, 0.3])


def test_evaluations_are_due_as_listed_every_nth_and_after_the_last() -> None:
    listed = Evaluation(every=5, rounds=(3,))
    assert [r for r in range(12) if listed.due(r, last_round=11)] == [0, 3, 5, 10, 11]
    assert [r for r in range(12) if Evaluation().due(r, last_round=11)] == [11]
