import math

import pytest
import torch
from torch import Tensor

from participant.learning.matching import leave_one_out_loss, matching_log_probabilities

TEMPERATURE = 10.0
GENERATOR = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR)


def test_matching_is_the_attention_weighted_vote_of_the_support_set() -> None:
    support = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    labels = torch.tensor([0, 1, 1])
    query = torch.tensor([[3.0, 0.0]])
    # Cosines 1, 0, 0, so attention is softmax(T, 0, 0).
    weight = math.exp(TEMPERATURE) / (math.exp(TEMPERATURE) + 2)
    log_p = matching_log_probabilities(support, labels, query, way=2, temperature=TEMPERATURE)
    assert log_p[0, 0].item() == pytest.approx(math.log(weight), abs=1e-6)
    assert log_p[0, 1].item() == pytest.approx(math.log(1 - weight), abs=1e-4)


def test_matching_in_one_shot_is_a_softmax_of_similarities() -> None:
    support, query = drawn(4, 6), drawn(3, 6)
    log_p = matching_log_probabilities(support, torch.arange(4), query, 4, TEMPERATURE)
    cosine = torch.nn.functional.cosine_similarity(query[:, None], support[None], dim=2)
    torch.testing.assert_close(log_p, torch.log_softmax(TEMPERATURE * cosine, dim=1))


def test_matching_gives_a_class_without_support_no_probability_and_no_gradient() -> None:
    support, query = torch.eye(2).requires_grad_(), torch.ones(4, 2).requires_grad_()
    log_p = matching_log_probabilities(support, torch.tensor([0, 2]), query, 3, TEMPERATURE)
    assert torch.isneginf(log_p[:, 1]).all()
    torch.testing.assert_close(log_p.exp().sum(dim=1), torch.ones(4))
    log_p.exp().square().sum().backward()  # type: ignore[no-untyped-call]
    for value in (support, query):
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()


def test_episodes_in_the_leading_dimension_do_not_mix() -> None:
    support, query = drawn(3, 5, 8), drawn(3, 7, 8)
    labels = torch.tensor([[0, 1, 1, 3, 0], [2, 2, 2, 0, 1], [3, 3, 1, 1, 1]])
    together = matching_log_probabilities(support, labels, query, 4, TEMPERATURE)
    for number in range(3):
        alone = matching_log_probabilities(support[number], labels[number], query[number], 4, TEMPERATURE)
        torch.testing.assert_close(together[number], alone)
    losses = leave_one_out_loss(support, labels, 4, TEMPERATURE)
    for number in range(3):
        torch.testing.assert_close(
            losses[number], leave_one_out_loss(support[number], labels[number], 4, TEMPERATURE)
        )


def test_leaving_one_out_classifies_each_image_by_the_others() -> None:
    features, labels = drawn(6, 4), torch.tensor([0, 0, 1, 1, 1, 2])
    expected = []
    for left_out in range(5):  # the sixth is alone in its class
        others = [row for row in range(6) if row != left_out]
        log_p = matching_log_probabilities(
            features[others], labels[others], features[left_out : left_out + 1], 3, TEMPERATURE
        )
        expected.append(-log_p[0, labels[left_out]])
    loss = leave_one_out_loss(features, labels, 3, TEMPERATURE)
    torch.testing.assert_close(loss, torch.stack(expected).mean())


def test_leaving_one_out_of_two_shots_follows_the_formula() -> None:
    # Cosines of the two of class 0: 1 to each other, 0 to class 1; of class 1's: 1 to each other.
    features = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    loss = leave_one_out_loss(features, torch.tensor([0, 0, 1, 1]), 2, 1.0)
    assert loss.item() == pytest.approx(-math.log(math.e / (math.e + 2)), abs=1e-6)


def test_in_one_shot_there_is_nothing_to_leave_out_and_the_gradient_is_zero() -> None:
    features = drawn(3, 4).requires_grad_()
    loss = leave_one_out_loss(features, torch.arange(3), 3, TEMPERATURE)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert features.grad is not None
    assert torch.equal(features.grad, torch.zeros(3, 4))


def test_the_loss_has_a_finite_gradient_when_a_class_is_absent_or_alone() -> None:
    features = drawn(5, 4).requires_grad_()
    leave_one_out_loss(features, torch.tensor([0, 0, 3, 3, 2]), 5, TEMPERATURE).backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert features.grad.abs().sum() > 0


def test_steps_down_the_loss_bring_a_class_together() -> None:
    features = drawn(6, 4).requires_grad_()
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    optimizer = torch.optim.SGD([features], lr=0.05)
    first = leave_one_out_loss(features, labels, 2, TEMPERATURE).item()
    for _ in range(50):
        optimizer.zero_grad()
        loss = leave_one_out_loss(features, labels, 2, TEMPERATURE)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < first / 2
