import numpy as np
import pytest
import torch

from participant.decisions import DECISIONS, Adaptation
from participant.learning.episodes import Episode, draw_episode
from participant.learning.inner_loop import InnerLoop
from protocol.models import build_network
from protocol.models.network import FewShotNetwork
from tests.participant.tiny import never, tiny_bank, tiny_dataset, tiny_scenario


def episode(query: int = 5) -> Episode:
    return draw_episode(
        np.random.default_rng(3), tiny_bank(), tiny_dataset().classes[:3], shots=4, query=query
    )


def network() -> FewShotNetwork:
    return build_network(tiny_scenario(), "model")


def classify(name: str, *, steps: int = 40, transductive: bool = False, seed: int = 0) -> torch.Tensor:
    decision = DECISIONS.get(name)(Adaptation(InnerLoop(steps, 6, 1e-3), 10.0, transductive))
    return decision.classify(network(), episode(), np.random.default_rng(seed), never)


@pytest.mark.parametrize("name", ["linear", "fresh-head", "matching"])
@pytest.mark.parametrize("transductive", [False, True])
def test_every_decision_learns_easy_classes_from_four_shots(name: str, transductive: bool) -> None:
    log_p = classify(name, transductive=transductive)
    assert log_p.shape == (15, 3)
    torch.testing.assert_close(log_p.exp().sum(dim=1), torch.ones(15))
    assert (log_p.argmax(dim=1) == episode().query_labels).float().mean() > 0.9


def test_matching_ignores_the_head_and_does_not_change_the_model() -> None:
    shared, poisoned = network(), network()
    with torch.no_grad():
        poisoned.head.weight.fill_(9.0)
    decision = DECISIONS.get("matching")(Adaptation(InnerLoop(40, 6, 1e-3), 10.0, False))
    before = [value.clone() for value in shared.parameters()]
    first, second = (
        decision.classify(n, episode(), np.random.default_rng(0), never) for n in (shared, poisoned)
    )
    assert torch.equal(first, second)
    assert decision.steps == 0
    assert all(torch.equal(a, b) for a, b in zip(before, shared.parameters(), strict=True))


def test_a_fresh_head_forgets_a_poisoned_head_and_the_linear_one_does_not() -> None:
    def predictions(name: str) -> torch.Tensor:
        poisoned = network()
        with torch.no_grad():
            poisoned.head.bias[1] = 50.0
        decision = DECISIONS.get(name)(Adaptation(InnerLoop(5, 6, 1e-3), 10.0, False))
        return decision.classify(poisoned, episode(), np.random.default_rng(0), never).argmax(dim=1)

    assert (predictions("linear") == 1).all()
    assert not (predictions("fresh-head") == 1).all()


def test_fresh_heads_differ_by_user_and_repeat_for_the_same_user() -> None:
    assert torch.equal(classify("fresh-head", seed=1), classify("fresh-head", seed=1))
    assert not torch.equal(classify("fresh-head", seed=1), classify("fresh-head", seed=2))
