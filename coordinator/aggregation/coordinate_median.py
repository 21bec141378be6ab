"""The coordinate-wise median of the updates (Yin et al., arXiv 1803.01498, Definition 1).

Of each coordinate the middle value, or the mean of the two middle ones: fewer than half of the updates cannot
move it beyond what the others say.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.aggregation.base import AGGREGATIONS, KeptUpdates, must_be_finite, seal
from protocol.manifest import Manifest, Parameters
from protocol.scenario import Federation

SCRATCH = 1 << 20  # values in float64, 8 MiB: the slice of all updates that is sorted at a time


class CoordinateMedian(KeptUpdates):
    """Needs :data:`SCRATCH` at the step, beside the updates of a round."""

    def step(self, model: Parameters, rate: float) -> Parameters:
        """θ + rate · median(δ), computed in float64, in the model's dtypes.

        Raises :class:`~protocol.errors.RunFailed` when the model would not be finite any more.
        """
        chunk = max(1, SCRATCH // self.count)
        buffers = []
        for at, buffer in enumerate(model.buffers):
            moved = np.empty_like(buffer)
            for start in range(0, buffer.size, chunk):
                part = slice(start, start + chunk)
                values = np.stack([update.buffers[at][part] for _, update in self.kept])
                real = buffer[part] + rate * _median(values.astype(np.float64, copy=False))
                with np.errstate(over="ignore"):
                    moved[part] = real
                must_be_finite(moved[part])
            buffers.append(moved)
        return seal(model.manifest, buffers)


def _median(values: NDArray[Any]) -> NDArray[Any]:
    """[n, c] → [c]; overwrites ``values``."""
    count = len(values)
    values.sort(axis=0)
    middle: NDArray[Any] = (values[(count - 1) // 2] + values[count // 2]) / 2
    # −0 and 0 are equal to a sort, so which of them is in the middle depends on the order; + 0 makes both 0.
    return middle + 0.0


@AGGREGATIONS.register("coordinate-median")
def coordinate_median(manifest: Manifest, rules: Federation) -> CoordinateMedian:
    return CoordinateMedian()
