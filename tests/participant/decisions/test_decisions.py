from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from participant.decisions import DECISIONS, Adaptation, Decision
from participant.learning.episodes import Episode, abreast, draw_episode
from participant.role import Cancelled, WorkCancelled
from protocol.models import build_network
from protocol.models.network import FewShotNetwork
from tests.participant.tiny import never, tiny_bank, tiny_dataset, tiny_scenario

BANK = tiny_bank()
CLASSES = tiny_dataset().classes[:3]
NAMES = ["linear", "fresh-head", "matching", "matching-tuned"]
ADAPTING = ["linear", "fresh-head", "matching-tuned"]


def episode(shots: int = 4) -> Episode:
    return draw_episode(np.random.default_rng(3), BANK, CLASSES, shots=shots, query=5)


def network() -> FewShotNetwork:
    return build_network(tiny_scenario(), "model")


def decision(name: str, *steps: int, transductive: bool = False) -> Decision:
    return DECISIONS.get(name)(
        Adaptation(steps=steps, batch=6, rate=1e-3, temperature=10.0, transductive=transductive)
    )


def classify(
    name: str, *steps: int, transductive: bool = False, seed: int = 0, shots: int = 4
) -> torch.Tensor:
    """As one user: [T, Q, way]."""
    return as_one(decision(name, *steps, transductive=transductive), network(), seed=seed, shots=shots)


def as_one(
    decision: Decision, given: FewShotNetwork, *, seed: int = 0, shots: int = 4, cancelled: Cancelled = never
) -> torch.Tensor:
    rngs = [np.random.default_rng(seed)]
    return decision.classify(given, abreast([episode(shots=shots)]), rngs, cancelled)[:, 0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("transductive", [False, True])
def test_every_decision_learns_easy_classes_from_four_shots(name: str, transductive: bool) -> None:
    log_p = classify(name, 40, transductive=transductive)
    assert log_p.shape == (1, 15, 3)
    torch.testing.assert_close(log_p.exp().sum(dim=2), torch.ones(1, 15))
    assert (log_p[0].argmax(dim=1) == episode().query_labels).float().mean() > 0.9


@pytest.mark.parametrize("name", ADAPTING)
@pytest.mark.parametrize("shots", [1, 4])
def test_looking_on_the_way_changes_nothing_and_sees_what_a_shorter_adaptation_ends_in(
    name: str, shots: int
) -> None:
    curve = classify(name, 0, 3, 12, shots=shots)
    assert curve.shape == (3, 15, 3)
    for at, steps in enumerate((0, 3, 12)):
        assert torch.equal(curve[at], classify(name, steps, shots=shots)[0])
    assert not torch.equal(curve[0], curve[1])


@pytest.mark.parametrize("name", ADAPTING)
def test_adaptation_can_be_cancelled_between_steps(name: str) -> None:
    with pytest.raises(WorkCancelled):
        as_one(decision(name, 4), network(), cancelled=lambda: True)


def test_adaptation_fits_the_support_set_better_with_every_look() -> None:
    for name in ("linear", "fresh-head"):
        right = classify(name, 1, 10, 40).gather(2, episode().query_labels.expand(3, 15)[..., None])
        losses = [-float(of_step) for of_step in right.mean(dim=(1, 2))]
        assert losses == sorted(losses, reverse=True)


def test_tuning_matching_raises_the_likelihood_of_the_queries() -> None:
    right = classify("matching-tuned", 0, 40).gather(2, episode().query_labels.expand(2, 15)[..., None])
    before, after = right.mean(dim=(1, 2))
    assert after > before


def test_weights_of_features_are_the_users_own_and_repeat_for_the_same_user() -> None:
    first, same, other = (classify("matching-tuned", 0, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not torch.equal(first, classify("matching", 0))


def test_in_one_shot_tuned_matching_still_learns() -> None:
    before, after = classify("matching-tuned", 0, 20, shots=1)
    assert not torch.equal(before, after)
    assert torch.isfinite(after).all()
    assert (after.argmax(dim=1) == episode(shots=1).query_labels).float().mean() > 0.8


@pytest.mark.parametrize("name", ["matching", "matching-tuned"])
def test_matching_ignores_the_head(name: str) -> None:
    shared, poisoned = network(), network()
    with torch.no_grad():
        poisoned.head.weight.fill_(9.0)
    first, second = (as_one(decision(name, 5), given) for given in (shared, poisoned))
    assert torch.equal(first, second)


def test_matching_takes_no_steps() -> None:
    matching = decision("matching", 1, 5)
    assert matching.steps == (0,)
    assert as_one(matching, network()).shape == (1, 15, 3)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_that_users_were_given_stays_as_it_is(name: str) -> None:
    shared = network()
    before = [value.clone() for value in shared.parameters()]
    as_one(decision(name, 5), shared)
    assert all(torch.equal(a, b) for a, b in zip(before, shared.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_another_package_s_head_needs_no_bias(name: str) -> None:
    given = network()
    given.head = nn.Linear(given.head.in_features, given.head.out_features, bias=False)
    assert torch.isfinite(as_one(decision(name, 3), given)).all()


def side_by_side_and_alone(
    name: str, shots: int, dtype: torch.dtype
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    given = network().to(dtype)
    episodes = []
    for seed in range(3):
        drawn = draw_episode(np.random.default_rng(seed), BANK, CLASSES, shots=shots, query=5)
        episodes.append(replace(drawn, support=drawn.support.to(dtype), query=drawn.query.to(dtype)))
    logic = decision(name, 0, 1, 6)

    def classified(users: range) -> torch.Tensor:
        rngs = [np.random.default_rng(user) for user in users]
        return logic.classify(given, abreast([episodes[user] for user in users]), rngs, never)

    together = classified(range(3))
    assert together.shape == (len(logic.steps), 3, 15, 3)
    for user in range(3):
        yield together[:, user], classified(range(user, user + 1))[:, 0]


@pytest.mark.parametrize("name", NAMES)
def test_users_side_by_side_are_classified_as_each_alone(name: str) -> None:
    for together, alone in side_by_side_and_alone(name, 4, torch.float64):
        torch.testing.assert_close(together, alone, atol=1e-8, rtol=1e-8)


def test_users_of_one_shot_draw_their_own_warps() -> None:
    for together, alone in side_by_side_and_alone("matching-tuned", 1, torch.float32):
        torch.testing.assert_close(together, alone, atol=1e-2, rtol=1e-2)


def test_a_fresh_head_forgets_a_poisoned_head_and_the_linear_one_does_not() -> None:
    def predictions(name: str) -> torch.Tensor:
        poisoned = network()
        with torch.no_grad():
            poisoned.head.bias[1] = 50.0
        return as_one(decision(name, 5), poisoned)[0].argmax(dim=1)

    assert (predictions("linear") == 1).all()
    assert not (predictions("fresh-head") == 1).all()


def test_fresh_heads_differ_by_user_and_repeat_for_the_same_user() -> None:
    assert torch.equal(classify("fresh-head", 5, seed=1), classify("fresh-head", 5, seed=1))
    assert not torch.equal(classify("fresh-head", 5, seed=1), classify("fresh-head", 5, seed=2))
