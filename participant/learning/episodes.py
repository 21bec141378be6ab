"""Episodes: K-way N-shot tasks drawn from a bank of images with a generator of their own."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from participant.learning.images import ImageBank
from protocol.errors import UsageProblem


@dataclass(frozen=True)
class Episode:
    """``support`` [K·N, C, H, W] with labels [K·N], ``query`` [K·Q, C, H, W] with labels [K·Q].

    A label is the class's output position 0…K-1; images of a position lie together, in order of position.
    Several episodes of the same sizes may stand in a leading dimension.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor


def abreast(episodes: Sequence[Episode]) -> Episode:
    """Episodes of the same sizes, in a leading dimension."""
    return Episode(
        torch.stack([episode.support for episode in episodes]),
        torch.stack([episode.support_labels for episode in episodes]),
        torch.stack([episode.query for episode in episodes]),
        torch.stack([episode.query_labels for episode in episodes]),
    )


def draw_episode(
    rng: np.random.Generator,
    bank: ImageBank,
    classes: Sequence[str],
    *,
    shots: int,
    query: int = 0,
    rotations: bool = False,
    upright: Collection[str] = (),
    at_most: bool = False,
) -> Episode:
    """An episode of the given classes, in order of their positions, with different images for support and
    query. With ``rotations`` each class is turned as a whole by 0, 90, 180 or 270°, which makes it another
    class (Santoro et al., arXiv 1605.06065; in meta-training only), but for those ``upright``. With
    ``at_most`` a class that has fewer than ``shots`` images shows all that it has.

    Raises :class:`UsageProblem` when a class has too few images.
    """
    support, queries, shown = [], [], []
    for name in classes:
        turns = int(rng.integers(4)) if rotations and name not in upright else 0
        members = bank.members[name]
        own = max(1, min(shots, len(members) - query)) if at_most else shots
        chosen = bank.take(draw_rows(rng, members, own + query, name))
        turned = torch.rot90(chosen, turns, (2, 3)) if turns else chosen
        support.append(turned[:own])
        queries.append(turned[own:])
        shown.append(own)
    device, positions = bank.images.device, np.arange(len(classes))
    return Episode(
        torch.cat(support),
        torch.from_numpy(np.repeat(positions, shown)).to(device),
        torch.cat(queries),
        torch.from_numpy(np.repeat(positions, query)).to(device),
    )


def draw_classes(rng: np.random.Generator, classes: Sequence[str], way: int) -> list[str]:
    """``way`` different classes in a random order of positions."""
    require_classes(len(classes), way)
    return [classes[index] for index in rng.permutation(len(classes))[:way]]


def draw_rows(rng: np.random.Generator, rows: NDArray[np.int64], count: int, name: str) -> NDArray[np.int64]:
    """``count`` different rows of a class."""
    require_images(len(rows), count, name)
    return rng.permutation(rows)[:count]


def require_classes(there: int, way: int) -> None:
    if there < way:
        raise UsageProblem(f"an episode of {way} classes cannot be drawn from {there}")


def require_images(there: int, needed: int, name: str) -> None:
    if there < needed:
        raise UsageProblem(f"class {name!r} has {there} images here, but an episode needs {needed}")


def place(name: str, position: int, others: list[str]) -> list[str]:
    """The classes in order of position, with ``name`` at ``position`` among the others."""
    return [*others[:position], name, *others[position:]]
