"""How long one update and one round keep the coordinator busy: ``python benchmarks/aggregation.py``."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from coordinator.aggregation import UpdateSum
from protocol.manifest import Manifest, Parameters, ParameterSpec

SIZES = (113_221, 1_000_000, 10_000_000)
REPEATS = 5


def main() -> None:
    print(f"{'parameters':>12} {'add ms':>9} {'step ms':>9} {'digest ms':>10}")
    for size in SIZES:
        manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(size,)),))
        values = np.random.default_rng(0).normal(scale=1e-3, size=size)
        delta = Parameters.from_arrays(manifest, {"x": values})
        total = UpdateSum(manifest)
        add = fastest(partial(total.add, delta))
        step = fastest(partial(total.step, delta, 1.0))
        digest = fastest(delta.digest)
        print(f"{size:>12,} {add:>9.2f} {step:>9.2f} {digest:>10.2f}")


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
