from pathlib import Path

import pytest

from deploy.checks import check_scenario
from protocol.errors import UsageProblem
from tests.participant.tiny import tiny_dataset, tiny_scenario


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("participant.roles.setting.load_dataset", lambda *_, **__: tiny_dataset())


def test_a_scenario_that_can_be_run_is_let_through(tmp_path: Path) -> None:
    check_scenario(tiny_scenario(), tmp_path, "cpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        # 30 classes, 12 of them set aside, in 9 shares.
        (
            ["federation.participants=9"],
            "the data set leaves 18 classes to train on; 39 are needed: 27 for 9 participants in 3-way, ",
        ),
        (
            ["task.split.test=40"],
            r"too few for task.split \(test wants 40, .* left\); [0-9]+ are needed: .* for test and attack, ",
        ),
        (["learning.train_shots=21"], "has 20 images here, but an episode needs 21"),
        (["task.shots=[15]"], "has 10 images here, but an episode needs 15"),
        (["decision.names=['guess']"], "no decision is named 'guess'"),
    ],
)
def test_what_would_fail_in_some_later_round_is_said_before_the_first(
    tmp_path: Path, overrides: list[str], says: str
) -> None:
    with pytest.raises(UsageProblem, match=says):
        check_scenario(tiny_scenario(*overrides), tmp_path, "cpu")
