import numpy as np
import pytest
import torch

from participant.decisions import DECISIONS, Adaptation, Decision
from participant.learning.episodes import Episode, draw_episode
from participant.role import WorkCancelled
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
    return decision(name, *steps, transductive=transductive).classify(
        network(), episode(shots=shots), np.random.default_rng(seed), never
    )


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
        decision(name, 4).classify(network(), episode(), np.random.default_rng(0), lambda: True)


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
    first, second = (
        decision(name, 5).classify(n, episode(), np.random.default_rng(0), never) for n in (shared, poisoned)
    )
    assert torch.equal(first, second)


def test_matching_takes_no_steps_and_does_not_change_the_model() -> None:
    shared = network()
    before = [value.clone() for value in shared.parameters()]
    matching = decision("matching", 1, 5)
    log_p = matching.classify(shared, episode(), np.random.default_rng(0), never)
    assert matching.steps == (0,)
    assert log_p.shape == (1, 15, 3)
    assert all(torch.equal(a, b) for a, b in zip(before, shared.parameters(), strict=True))


def test_a_fresh_head_forgets_a_poisoned_head_and_the_linear_one_does_not() -> None:
    def predictions(name: str) -> torch.Tensor:
        poisoned = network()
        with torch.no_grad():
            poisoned.head.bias[1] = 50.0
        log_p = decision(name, 5).classify(poisoned, episode(), np.random.default_rng(0), never)
        return log_p[0].argmax(dim=1)

    assert (predictions("linear") == 1).all()
    assert not (predictions("fresh-head") == 1).all()


def test_fresh_heads_differ_by_user_and_repeat_for_the_same_user() -> None:
    assert torch.equal(classify("fresh-head", 5, seed=1), classify("fresh-head", 5, seed=1))
    assert not torch.equal(classify("fresh-head", 5, seed=1), classify("fresh-head", 5, seed=2))
