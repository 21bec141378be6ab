"""Updates to encode, and what any bytes are as one."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

from protocol.encodings import Delta
from protocol.encodings.int8 import BLOCK
from protocol.manifest import DType, Manifest, Parameters, ParameterSpec, Values

# Sizes around a block's, none at all, and other dtypes in between.
SIZES: list[tuple[int, DType]] = [
    (1, "float32"), (BLOCK - 1, "float32"), (3, "float64"), (BLOCK, "float32"), (0, "float32"),
    (BLOCK + 1, "float32"), (5, "float16"), (20 * BLOCK + 7, "float32"),
]  # fmt: skip
MANIFEST = Manifest(
    parameters=tuple(
        ParameterSpec(name=f"p{at}", shape=(size,), dtype=dtype) for at, (size, dtype) in enumerate(SIZES)
    )
)
FLOAT32 = MANIFEST.dtypes.index("float32")
NAMES = ("float32", "bfloat16", "int8")
# Of every order of magnitude, zeros of both signs and denormal numbers among them. What is beyond rounds to
# infinity, and counts in no encoding.
FINITE = st.floats(-(2.0**127), 2.0**127, width=32)
FEW = st.lists(FINITE, min_size=1, max_size=60)


def flat(count: int) -> Manifest:
    return Manifest(parameters=(ParameterSpec(name="x", shape=(count,)),))


def vector(values: Any) -> Parameters:
    """Of one parameter."""
    array = np.asarray(values, "<f4")
    return Parameters(flat(array.size), (array,))


def drawn(seed: int = 0, scale: float = 1e-3) -> Parameters:
    rng = np.random.default_rng(seed)
    return Parameters.from_arrays(
        MANIFEST, {spec.name: rng.normal(size=spec.shape) * scale for spec in MANIFEST.parameters}
    )


def whole(values: Values) -> NDArray[Any]:
    return values[0 : values.size]


def read(delta: Delta) -> list[NDArray[Any]]:
    return [whole(values) for values in delta.buffers]


def frames_of(sizes: tuple[int, ...]) -> SearchStrategy[list[bytes]]:
    """Any bytes in frames of these sizes."""
    return st.tuples(*[st.binary(min_size=size, max_size=size) for size in sizes]).map(list)
