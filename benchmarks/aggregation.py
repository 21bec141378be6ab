"""What exact aggregation costs: ``python -m benchmarks.aggregation``.

The reference, in the same run, is what a coordinator that does not care about the order of arrival would do
with an update: check that it is finite, take its norm, and add it in float32.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from coordinator.aggregation import UpdateSum
from protocol.manifest import Manifest, Parameters, ParameterSpec

SIZES = (113_221, 1_000_000, 10_000_000)
REPEATS = 7


@dataclass(frozen=True)
class Costs:
    """Milliseconds, each the fastest of some: to count one update, and the reference for that; and, once a
    round, to make the step and to take the digest."""

    parameters: int
    reference_ms: float
    add_ms: float
    step_ms: float
    digest_ms: float


def main() -> None:
    print(
        f"{'parameters':>12} {'reference ms':>13} {'add ms':>9} {'ratio':>7} {'step ms':>9} {'digest ms':>10}"
    )
    for size in SIZES:
        cost = measure(size)
        ratio = cost.add_ms / cost.reference_ms
        row = f"{size:>12,} {cost.reference_ms:>13.2f} {cost.add_ms:>9.2f} {ratio:>7.2f}"
        print(f"{row} {cost.step_ms:>9.2f} {cost.digest_ms:>10.2f}")


def measure(size: int) -> Costs:
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(size,)),))
    values = np.random.default_rng(0).normal(scale=1e-3, size=size)
    delta = Parameters.from_arrays(manifest, {"x": values})
    total, plain = UpdateSum(manifest), np.zeros(size, dtype=np.float32)
    return Costs(
        size,
        reference_ms=fastest(partial(inexact_add, plain, delta.buffers[0])),
        add_ms=fastest(partial(total.add, delta)),
        step_ms=fastest(partial(total.step, delta, 1.0)),
        digest_ms=fastest(delta.digest),
    )


def inexact_add(total: NDArray[np.float32], update: NDArray[np.float32]) -> float:
    if not np.isfinite(update).all():
        raise ValueError("not finite")
    total += update
    return float(np.linalg.norm(update))


def fastest(work: Callable[[], object]) -> float:
    """Milliseconds of the fastest of some repeats."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


if __name__ == "__main__":
    main()
