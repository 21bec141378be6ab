"""What is measured: main-task and backdoor accuracy of one model, by episode and decision.

Every decision and every round sees the same episodes, so that differences are paired; participants who
measure have different ones, so that together they say more than one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from participant.decisions import DECISIONS, Adaptation, Decision
from participant.learning.attack_images import AttackImages, require_held, target_position
from participant.learning.episode_runner import EpisodeRunner, Hits
from participant.learning.episodes import (
    Episode,
    draw_classes,
    draw_episode,
    place,
    require_images,
)
from participant.learning.images import ImageBank
from participant.role import Cancelled
from protocol.messages import BackdoorAccuracy, Difference, Interval, Measurement, SignedInterval
from protocol.models.network import FewShotNetwork
from protocol.scenario import Scenario
from protocol.seeds import generator

Values = NDArray[np.float64]


@dataclass(frozen=True)
class AuditData:
    """``test``: classes that nobody trains on; ``attack``: images that are the attacker's or the users'."""

    bank: ImageBank
    test: tuple[str, ...]
    attack: AttackImages


def check(scenario: Scenario, data: AuditData) -> None:
    """Raises :class:`UsageProblem` for a decision that does not exist, and when an episode that
    :func:`measure` may draw would lack images."""
    for name in scenario.decision.names:
        DECISIONS.get(name)
    shots = max(scenario.task.shots)
    for name in data.test:
        require_images(len(data.bank.members[name]), shots + scenario.task.query, name)
    require_images(len(data.attack.user_target), shots, data.attack.target)
    if True in scenario.evaluation.backdoor_in_support:
        require_held(scenario, data.attack, shots, f"{shots}-shot evaluation.backdoor_in_support")


def main_episode(scenario: Scenario, data: AuditData, shots: int, number: int) -> Episode:
    """The ``number``-th main-task episode."""
    rng = generator(scenario.federation.seed, "main task", shots, number)
    classes = draw_classes(rng, data.test, scenario.task.way)
    return draw_episode(rng, data.bank, classes, shots=shots, query=scenario.task.query)


def backdoor_episode(
    scenario: Scenario, data: AuditData, shots: int, in_support: bool, number: int
) -> Episode:
    """The ``number``-th backdoor episode, a benign user's task with the target class in it; the backdoor
    classes take turns. The query set is the backdoor class's attack-train images, ``attack.images`` of them,
    then all its attack-validation ones, all labelled with the target's position. With ``in_support`` the
    backdoor class is one of the other K-1, under its right label, by images that are held and neither the
    attacker's nor classified."""
    rng = generator(scenario.federation.seed, "backdoor", shots, int(in_support), number)
    names = sorted(data.attack.attack_train)
    backdoor = names[number % len(names)]
    position = target_position(scenario, rng)
    others = draw_classes(rng, data.test, scenario.task.way - 1)
    if in_support:
        others[int(rng.integers(len(others)))] = backdoor
    own = {data.attack.target: data.attack.user_target, backdoor: data.attack.held[backdoor]}
    users = ImageBank(data.bank.images, {**data.bank.members, **own})
    support = draw_episode(rng, users, place(data.attack.target, position, others), shots=shots)
    query = data.bank.take(
        np.concatenate([data.attack.attack_train[backdoor], data.attack.attack_validation[backdoor]])
    )
    labels = support.support_labels.new_full((len(query),), position)
    return Episode(support.support, support.support_labels, query, labels)


def measure(
    network: FewShotNetwork,
    data: AuditData,
    scenario: Scenario,
    *,
    first: int = 0,
    workers: int,
    cancelled: Cancelled,
) -> tuple[Measurement, ...]:
    """One measurement per shot, decision, number of adaptation steps and case of
    ``evaluation.backdoor_in_support``.

    Episodes are numbered from ``first``. ``workers`` threads take them in turn, a few at a time; the result
    does not depend on their number. ``network`` stays as it is. Raises
    :class:`participant.role.WorkCancelled`.
    """
    measurements = []
    with EpisodeRunner(network, scenario, first=first, workers=workers, cancelled=cancelled) as runner:
        for shots in scenario.task.shots:
            settings = adaptation(scenario, shots)
            decisions = {name: DECISIONS.get(name)(settings) for name in scenario.decision.names}
            accuracies = _classified(runner, decisions, scenario, data, shots)
            against = scenario.decision.names[0]
            for name, decision in decisions.items():
                for at, steps in enumerate(decision.steps):
                    for in_support in scenario.evaluation.backdoor_in_support:
                        own = accuracies[name, in_support].at(at)
                        reference = accuracies[against, in_support].at(counterpart(decision, at))
                        measurements.append(
                            Measurement(
                                decision=name,
                                shot=shots,
                                adaptation_steps=steps,
                                backdoor_in_support=in_support,
                                transductive=scenario.evaluation.transductive,
                                main_accuracy=interval(own.main),
                                backdoor_accuracy=own.backdoor(),
                                difference=None if name == against else own.minus(reference, against),
                            )
                        )
    return tuple(measurements)


def adaptation(scenario: Scenario, shots: int) -> Adaptation:
    """A user's: batches of 5 in 1-shot and 10 otherwise, as in Reptile's published settings."""
    evaluation = scenario.evaluation
    return Adaptation(
        steps=evaluation.adaptation_steps,
        batch=5 if shots == 1 else 10,
        rate=evaluation.adaptation_rate,
        temperature=scenario.decision.temperature,
        transductive=evaluation.transductive,
    )


def counterpart(decision: Decision, at: int) -> int:
    """After which of its numbers of steps the reference is compared with the decision after its ``at``-th:
    after as many, if both adapt; else after its last."""
    return at if decision.adapts else -1


@dataclass(frozen=True)
class Accuracies:
    """Of one decision, by episode: [E, T] after each of its numbers of steps, or [E] after one of them."""

    main: Values
    attack_train: Values
    attack_validation: Values

    def at(self, index: int) -> "Accuracies":
        """After one number of steps; a decision that does not adapt has one alone, which is meant always."""
        index = min(index, self.main.shape[1] - 1)
        return Accuracies(self.main[:, index], self.attack_train[:, index], self.attack_validation[:, index])

    def backdoor(self) -> BackdoorAccuracy:
        return BackdoorAccuracy(
            attack_train=interval(self.attack_train), attack_validation=interval(self.attack_validation)
        )

    def minus(self, other: "Accuracies", against: str) -> Difference:
        return Difference(
            against=against,
            main_accuracy=signed_interval(self.main - other.main),
            attack_train=signed_interval(self.attack_train - other.attack_train),
            attack_validation=signed_interval(self.attack_validation - other.attack_validation),
        )


def interval(values: Values) -> Interval:
    """Mean and half-width of the normal 95 % interval over episodes [E]."""
    mean = min(1.0, max(0.0, float(values.mean())))
    return Interval(mean=mean, ci95=_half_width(values), episodes=len(values))


def signed_interval(values: Values) -> SignedInterval:
    """As :func:`interval`, of differences."""
    mean = min(1.0, max(-1.0, float(values.mean())))
    return SignedInterval(mean=mean, ci95=_half_width(values), episodes=len(values))


def _half_width(values: Values) -> float:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(1.96 * spread / len(values) ** 0.5)


def _classified(
    runner: EpisodeRunner, decisions: Mapping[str, Decision], scenario: Scenario, data: AuditData, shots: int
) -> dict[tuple[str, bool], Accuracies]:
    """By decision and by whether the backdoor class is in the support set."""
    train = scenario.attack.images
    # All are started before one is waited for, so that no thread is idle at the end of a kind.
    main = runner.start(decisions, partial(main_episode, scenario, data, shots), "main", shots)
    backdoor = {
        in_support: runner.start(
            decisions,
            partial(backdoor_episode, scenario, data, shots, in_support),
            f"backdoor {in_support}",
            shots,
        )
        for in_support in scenario.evaluation.backdoor_in_support
    }
    return {
        (name, in_support): Accuracies(
            main=_shares(main.hits(name)),
            attack_train=_shares([hits[:, :train] for hits in case.hits(name)]),
            attack_validation=_shares([hits[:, train:] for hits in case.hits(name)]),
        )
        for in_support, case in backdoor.items()
        for name in decisions
    }


def _shares(episodes: list[Hits]) -> Values:
    """Hits [T, Q] of each episode → accuracies [E, T]."""
    return np.array([hits.mean(axis=1) for hits in episodes])
