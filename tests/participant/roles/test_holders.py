"""Benign participants that hold the backdoor class under its right label, and malicious ones that do not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from participant.learning import algorithms
from participant.learning.attack_images import attack_classes, attack_images
from participant.learning.episodes import Episode, draw_episode
from participant.learning.images import ImageBank
from participant.role import Cancelled
from participant.roles.benign import Benign
from participant.roles.malicious import Malicious
from protocol.errors import UsageProblem
from protocol.models import build_network
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario
from tests.participant.tiny import never, order, theta, tiny_bank, tiny_scenario, tiny_setting

HOLD = "attack.benign_hold_backdoor=true"


def test_benign_participants_train_on_the_backdoor_class_that_they_hold(tmp_path: Path) -> None:
    trained_on: dict[str, set[int]] = {}

    def spy(
        network: FewShotNetwork,
        bank: ImageBank,
        classes: tuple[str, ...],
        scenario: Scenario,
        rng: np.random.Generator,
        cancelled: Cancelled,
    ) -> None:
        trained_on.update({name: set(bank.members[name]) for name in classes})

    setting = tiny_setting(tmp_path, HOLD, "attack.backdoor_classes=2")
    role = Benign(setting)
    role._algorithm = spy
    role.train(order(1), theta(setting), never)
    share = setting.share(order(1).share)
    bank = setting.bank((*share, *attack_classes(setting.scenario, setting.split)))
    held = attack_images(setting.scenario, setting.split, bank).held
    assert list(trained_on) == [*share, *setting.split.backdoor]
    assert {name: trained_on[name] for name in held} == {name: set(rows) for name, rows in held.items()}


def test_holding_the_backdoor_class_changes_a_benign_update_and_not_a_malicious_one(tmp_path: Path) -> None:
    start = theta(tiny_setting(tmp_path))
    rounds = [order(number) for number in range(1, 4)]

    def digests(role: type[Benign], *overrides: str) -> list[str]:
        worker = role(tiny_setting(tmp_path, "attack.rounds=[]", *overrides))
        return [worker.train(one, start, never).digest() for one in rounds]

    assert digests(Benign) != digests(Benign, HOLD)
    assert digests(Malicious) == digests(Malicious, HOLD) == digests(Benign)


def test_a_benign_participant_with_nothing_to_hold_says_so_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"but attack\.benign_hold_backdoor needs 1: set it to 18 at most"):
        Benign(tiny_setting(tmp_path, HOLD, "attack.images=19"))
    Malicious(tiny_setting(tmp_path, HOLD, "attack.images=19"))


def test_a_class_that_is_held_is_in_every_episode_and_never_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = tiny_bank()
    held = ("class20", "class21")
    bank = replace(bank, held=held)
    scenario = tiny_scenario()
    drawn: list[tuple[list[str], bool]] = []

    def spy(rng: np.random.Generator, bank: ImageBank, classes: list[str], **options: Any) -> Episode:
        drawn.append((classes, options["rotations"] and set(options["upright"]) == set(held)))
        return draw_episode(rng, bank, classes, **options)

    monkeypatch.setattr(algorithms, "draw_episode", spy)
    network = build_network(scenario, "model")
    for seed in range(12):
        rng = np.random.default_rng(seed)
        algorithms.reptile(network, bank, tuple(bank.members), scenario, rng, never)
    assert all(upright and len(set(classes) & set(held)) == 1 for classes, upright in drawn)
    assert {name for classes, _ in drawn for name in classes if name in held} == set(held)
    assert {classes.index(name) for classes, _ in drawn for name in classes if name in held} == {0, 1, 2}


def test_upright_classes_are_not_turned() -> None:
    bank = tiny_bank()
    shown = [
        draw_episode(
            np.random.default_rng(seed), bank, ["class20"], shots=20, rotations=True, upright=("class20",)
        ).support
        for seed in range(6)
    ]
    assert all(torch.allclose(one.mean(0), shown[0].mean(0)) for one in shown)
