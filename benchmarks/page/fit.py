"""How time grows with participants and with bytes: t = a + b · participants + c · participants · bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """``seconds`` of a round; ``model_bytes`` go to each participant, and back."""

    participants: int
    model_bytes: int
    seconds: float


@dataclass(frozen=True)
class Fit:
    """``fixed_s`` of every round; ``each_s`` for each participant; ``byte_s`` for each byte of a model, to
    one participant and back. ``typical`` and ``worst``: how far off it is where it was measured, as
    fractions."""

    fixed_s: float
    each_s: float
    byte_s: float
    typical: float
    worst: float

    def at(self, participants: int, model_bytes: int) -> float:
        """Seconds of a round."""
        return self.fixed_s + participants * (self.each_s + self.byte_s * model_bytes)


def fitted(points: Sequence[Point]) -> Fit:
    """By least squares of the relative errors, so that short rounds count as much as long ones; no part may
    be negative. Raises ``ValueError`` for fewer than four points."""
    if len(points) < 4:
        raise ValueError(f"{len(points)} points for three unknowns and a residual")
    seconds = np.array([point.seconds for point in points])
    parts = np.array([(1.0, p.participants, float(p.participants) * p.model_bytes) for p in points])
    found = nonnegative(parts / seconds[:, None], np.ones(len(points)))
    errors = np.abs(parts @ found / seconds - 1)
    fixed_s, each_s, byte_s = map(float, found)
    return Fit(fixed_s, each_s, byte_s, typical=float(np.median(errors)), worst=float(errors.max()))


def nonnegative(parts: Floats, values: Floats) -> Floats:
    """Coefficients x ≥ 0 with the least ‖parts · x − values‖. Few unknowns: each choice of those that are not
    zero is tried, and the least of the solutions without a negative one is it."""
    unknowns = parts.shape[1]
    scale = np.abs(parts).max(axis=0)  # the columns are of very different sizes
    best, least = np.zeros(unknowns), float(np.linalg.norm(values))
    for count in range(1, unknowns + 1):
        for chosen in map(list, combinations(range(unknowns), count)):
            solution = np.linalg.lstsq(parts[:, chosen] / scale[chosen], values, rcond=None)[0]
            if (solution < 0).any():
                continue
            candidate = np.zeros(unknowns)
            candidate[chosen] = solution / scale[chosen]
            error = float(np.linalg.norm(parts @ candidate - values))
            if error < least:
                best, least = candidate, error
    return best
