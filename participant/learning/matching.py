"""Matching: a class is the attention-weighted vote of labelled images (Vinyals et al., arXiv 1606.04080).

Their equation 1, with attention as the softmax of ``temperature`` · cosine. Pure functions; several episodes
may stand in leading dimensions.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def matching_log_probabilities(
    support: Tensor, labels: Tensor, query: Tensor, way: int, temperature: float
) -> Tensor:
    """log p(c) = logsumexp over the support of class c − logsumexp over all, of temperature · cosine.

    support [..., S, F], labels [..., S], query [..., Q, F] → [..., Q, way]. A class without support has -inf
    and passes no gradient on.
    """
    similarity = temperature * F.normalize(query, dim=-1) @ F.normalize(support, dim=-1).mT
    return _votes(similarity, labels, way)


def leave_one_out_loss(features: Tensor, labels: Tensor, way: int, temperature: float) -> Tensor:
    """Mean −log p(own class) of images that are each classified by all the others.

    features [..., n, F], labels [..., n] → [...]. An image that is the only one of its class cannot be
    classified so and does not count, except among the others. Where that holds for all, as in one shot, the
    loss is 0 and so is its gradient.
    """
    unit = F.normalize(features, dim=-1)
    itself = torch.eye(labels.shape[-1], dtype=torch.bool, device=labels.device)
    similarity = (temperature * unit @ unit.mT).masked_fill(itself, -torch.inf)
    log_p = _votes(similarity, labels, way).gather(-1, labels[..., None]).squeeze(-1)
    counts = ((labels[..., :, None] == labels[..., None, :]) & ~itself).any(dim=-1)
    losses = torch.where(counts, -log_p, 0.0)
    return losses.sum(dim=-1) / counts.sum(dim=-1).clamp(min=1)


def _votes(similarity: Tensor, labels: Tensor, way: int) -> Tensor:
    """similarity [..., Q, S], -inf where an image has no vote, and labels [..., S] → log p [..., Q, way]."""
    of_class = labels[..., None, :] == torch.arange(way, device=labels.device)[:, None]  # [..., way, S]
    votes = similarity[..., :, None, :].masked_fill(~of_class[..., None, :, :], -torch.inf)
    return _logsumexp(votes) - _logsumexp(similarity)[..., None]


def _logsumexp(values: Tensor) -> Tensor:
    """Over the last dimension. torch's own has the gradient NaN where all values are -inf; here it is 0."""
    nothing = torch.isneginf(values).all(dim=-1)
    total = torch.logsumexp(values.masked_fill(nothing[..., None], 0.0), dim=-1)
    return total.masked_fill(nothing, -torch.inf)
