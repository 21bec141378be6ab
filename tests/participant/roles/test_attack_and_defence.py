"""The attack changes what users of the shared head see, and taking the head away changes that: on strokes."""

from pathlib import Path

import pytest
import torch

from participant.roles.auditor import Auditor
from participant.roles.malicious import Malicious
from participant.roles.setting import Setting
from protocol.manifest import Parameters
from protocol.messages import Evaluate
from protocol.scenario import load_scenario
from protocol.scenario_files import find_scenario
from tests.participant.tiny import never, order, theta

BENIGN_ROUNDS = 40
OVERRIDES = (
    "federation.seed=2",
    f"federation.rounds={BENIGN_ROUNDS + 1}",
    f"federation.server_rate.decay_rounds={BENIGN_ROUNDS}",
    "task.classes=70",
    f"attack.rounds=[{BENIGN_ROUNDS + 1}]",
    "attack.boost=1",
    'decision.names=["linear", "matching"]',
    "evaluation.rounds=[]",
    "evaluation.episodes=10",
)


def backdoor_accuracy(auditor: Auditor, model: Parameters) -> dict[str, float]:
    measured = auditor.evaluate(Evaluate(run="0" * 32, round=BENIGN_ROUNDS), model, never)
    return {m.decision: m.backdoor_accuracy.attack_train.mean for m in measured}


def test_the_attack_takes_the_shared_head_and_matching_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    scenario = load_scenario(find_scenario("one_shot_attack"), OVERRIDES)
    setting = Setting.read(
        scenario, name="mallory", device=torch.device("cpu"), data_dir=None, state_dir=tmp_path
    )
    mallory, auditor, model = Malicious(setting), Auditor(setting), theta(setting)

    def after(number: int) -> Parameters:
        delta = mallory.train(order(number, previous=number - 1), model, never)
        return Parameters(model.manifest, (model.buffers[0] + delta.buffers[0],))

    for number in range(1, BENIGN_ROUNDS + 1):
        model = after(number)
    before, attacked = (backdoor_accuracy(auditor, m) for m in (model, after(BENIGN_ROUNDS + 1)))
    risen = {decision: attacked[decision] - before[decision] for decision in before}
    assert before["linear"] < 0.3
    assert risen["linear"] > 0.3
    assert risen["matching"] < risen["linear"] / 2
