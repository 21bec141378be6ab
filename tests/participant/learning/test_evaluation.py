"""What the auditor's episodes are made of: whose images, at which positions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from participant.learning.attack_images import attack_images
from participant.learning.evaluation import (
    AuditData,
    backdoor_episode,
    interval,
    main_episode,
    measure,
    signed_interval,
)
from protocol.messages import Interval, Measurement, SignedInterval
from protocol.models import build_network
from protocol.scenario import Scenario
from protocol.split import ClassSplit, split_classes
from tests.participant.tiny import never, tiny_bank, tiny_dataset, tiny_scenario

BANK = tiny_bank()
SHOTS = 2
IN_SUPPORT = "evaluation.backdoor_in_support=[false, true]"


def audit(*overrides: str) -> tuple[Scenario, AuditData, ClassSplit]:
    scenario = tiny_scenario(*overrides)
    split = split_classes(tiny_dataset().classes, scenario.task.split, scenario.federation.seed)
    return scenario, AuditData(BANK, split.test, attack_images(scenario, split, BANK)), split


def rows(images: Tensor) -> list[int]:
    """Which row of the bank each image is."""
    everything = BANK.take(np.arange(len(BANK.images)))
    return [int((everything == image).flatten(1).all(dim=1).nonzero()) for image in images]


def names(images: Tensor) -> list[str]:
    return [next(name for name, own in BANK.members.items() if row in own) for row in rows(images)]


def test_a_main_episode_is_of_test_classes_and_classifies_images_that_it_does_not_show() -> None:
    scenario, data, split = audit()
    for number in range(5):
        episode = main_episode(scenario, data, SHOTS, number)
        shown, asked = names(episode.support), names(episode.query)
        assert set(shown) == set(asked) <= set(split.test)
        assert shown[::SHOTS] == [asked[i * scenario.task.query] for i in range(scenario.task.way)]
        assert not set(rows(episode.support)) & set(rows(episode.query))


@pytest.mark.parametrize("position", [0, 2])
def test_a_backdoor_episode_shows_the_users_target_and_asks_for_the_backdoor(position: int) -> None:
    scenario, data, split = audit(f"attack.target_position={position}", "attack.backdoor_classes=2")
    for number in range(4):
        episode = backdoor_episode(scenario, data, SHOTS, False, number)
        backdoor = sorted(split.backdoor)[number % 2]
        shown = rows(episode.support[episode.support_labels == position])
        assert set(shown) <= set(data.attack.user_target)
        others = names(episode.support[episode.support_labels != position])
        assert set(others) <= set(split.test)
        asked = rows(episode.query)
        assert asked[: scenario.attack.images] == list(data.attack.attack_train[backdoor])
        assert sorted(asked[scenario.attack.images :]) == sorted(data.attack.attack_validation[backdoor])
        assert torch.all(episode.query_labels == position)


def test_with_the_backdoor_class_in_the_support_set_it_has_a_label_of_its_own() -> None:
    scenario, data, split = audit()
    (backdoor,) = split.backdoor[:1]
    attack = data.attack
    train, validation = attack.attack_train[backdoor], attack.attack_validation[backdoor]
    for number in range(4):
        episode = backdoor_episode(scenario, data, SHOTS, True, number)
        shown = rows(episode.support)
        own = [row for row in shown if row in BANK.members[backdoor]]
        assert len(own) == SHOTS
        assert set(own) <= set(attack.held[backdoor])  # neither the attacker's nor what is classified
        labels = {int(episode.support_labels[shown.index(row)]) for row in own}
        assert len(labels) == 1
        assert labels != {0}
        asked = rows(episode.query)
        assert asked[: len(train)] == list(train)
        assert asked[len(train) :] == list(validation)


def test_an_interval_is_the_mean_and_its_normal_half_width() -> None:
    found = interval(np.array([0.2, 0.4, 0.6]))
    assert found.mean == pytest.approx(0.4)
    assert found.episodes == 3
    assert found.ci95 == pytest.approx(1.96 * 0.2 / 3**0.5)
    assert signed_interval(np.array([-0.2, -0.4])).mean == pytest.approx(-0.3)


def measured(*overrides: str, workers: int = 2) -> dict[tuple[str, int, bool], Measurement]:
    scenario, data, _ = audit(*overrides)
    network = build_network(scenario, "model")
    found = measure(network, data, scenario, workers=workers, cancelled=never)
    return {(m.decision, m.adaptation_steps, m.backdoor_in_support): m for m in found}


ALL = 'decision.names=["linear", "fresh-head", "matching", "matching-tuned"]'


def test_every_decision_is_measured_after_each_number_of_steps_in_both_cases() -> None:
    found = measured(ALL, "evaluation.adaptation_steps=[0, 2, 4]", IN_SUPPORT)
    assert list(found) == [
        (name, steps, in_support)
        for name in ("linear", "fresh-head", "matching", "matching-tuned")
        for steps in ((0,) if name == "matching" else (0, 2, 4))
        for in_support in (False, True)
    ]


def test_a_curve_holds_what_each_number_of_steps_would_have_given_alone() -> None:
    curve = measured(ALL, "evaluation.adaptation_steps=[1, 4]", IN_SUPPORT)
    alone = measured(ALL, "evaluation.adaptation_steps=4", IN_SUPPORT)
    for key, measurement in alone.items():
        assert curve[key] == measurement


def test_the_number_of_threads_changes_nothing() -> None:
    one, several = (measured(ALL, "evaluation.episodes=9", workers=workers) for workers in (1, 3))
    assert one == several


def test_episodes_are_measured_as_they_are_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where backdoor classes have different numbers of images to be asked for."""
    scenario, data, _ = audit(ALL, "evaluation.episodes=7", "attack.backdoor_classes=2", "task.query=8")
    fewer = dict(data.attack.attack_validation)
    name = sorted(fewer)[1]
    fewer[name] = fewer[name][:-2]
    data = replace(data, attack=replace(data.attack, attack_validation=fewer))
    network = build_network(scenario, "model")
    together = measure(network, data, scenario, workers=2, cancelled=never)
    monkeypatch.setattr("participant.learning.users.ABREAST", 1)
    alone = measure(network, data, scenario, workers=2, cancelled=never)
    for one, other in zip(together, alone, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), abs=0.01)  # an image in a hundred


def numbers(measured: Measurement) -> list[float]:
    intervals: list[Interval | SignedInterval] = [measured.main_accuracy]
    for pair in (measured.backdoor_accuracy, measured.difference):
        intervals += [pair.attack_train, pair.attack_validation] if pair else []
    intervals += [measured.difference.main_accuracy] if measured.difference else []
    return [value for interval in intervals for value in (interval.mean, interval.ci95)]


def test_differences_are_paired_with_the_first_decision_after_as_many_steps() -> None:
    found = measured(ALL, "evaluation.adaptation_steps=[0, 4]", IN_SUPPORT)
    for (name, steps, in_support), own in found.items():
        if name == "linear":
            assert own.difference is None
            continue
        assert own.difference is not None
        assert own.difference.against == "linear"
        # Matching does not adapt: the user's alternative is a head that has been adapted to the end.
        reference = found["linear", 4 if name == "matching" else steps, in_support]
        for difference, one, other in (
            (own.difference.main_accuracy, own.main_accuracy, reference.main_accuracy),
            (
                own.difference.attack_train,
                own.backdoor_accuracy.attack_train,
                reference.backdoor_accuracy.attack_train,
            ),
            (
                own.difference.attack_validation,
                own.backdoor_accuracy.attack_validation,
                reference.backdoor_accuracy.attack_validation,
            ),
        ):
            assert difference.mean == pytest.approx(one.mean - other.mean, abs=1e-9)
            assert difference.episodes == one.episodes


def test_a_reference_that_does_not_adapt_is_compared_as_it_is() -> None:
    found = measured('decision.names=["matching", "linear"]', "evaluation.adaptation_steps=[0, 4]")
    reference = found["matching", 0, False]
    assert reference.difference is None
    for steps in (0, 4):
        own = found["linear", steps, False]
        assert own.difference is not None
        assert own.difference.main_accuracy.mean == pytest.approx(
            own.main_accuracy.mean - reference.main_accuracy.mean, abs=1e-9
        )


def test_a_difference_of_paired_episodes_is_surer_than_that_of_two_means() -> None:
    found = measured(
        'decision.names=["matching", "matching-tuned"]',
        "evaluation.adaptation_steps=0",
        "evaluation.episodes=30",
        "task.way=6",
        "task.shots=[1]",
    )
    one, other = found["matching", 0, False], found["matching-tuned", 0, False]
    assert other.difference is not None
    unpaired = (one.main_accuracy.ci95**2 + other.main_accuracy.ci95**2) ** 0.5
    assert 0 < other.difference.main_accuracy.ci95 < unpaired


def test_users_who_hold_the_backdoor_or_not_are_asked_for_the_same_images() -> None:
    scenario, data, _ = audit()
    without, within = (backdoor_episode(scenario, data, SHOTS, case, 0).query for case in (False, True))
    assert torch.equal(without, within)
