"""Updates and rules for the tests of aggregation."""

from typing import Any

import numpy as np

from coordinator.aggregation import AGGREGATIONS, Aggregation
from protocol.manifest import DType, Manifest, Parameters, ParameterSpec
from protocol.scenario import Federation
from tests.coordinator import tiny

EMPTY = Manifest(parameters=())


def rule(name: str, manifest: Manifest = tiny.MANIFEST, **rules: Any) -> Aggregation:
    """The rule of that name, as the daemon makes it; ``rules`` are keys of ``[federation]``."""
    return AGGREGATIONS.get(name)(manifest, Federation(aggregation=name, **rules))


def vector(*values: float, dtype: DType = "float64") -> Parameters:
    """An update, or a model, of one parameter."""
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(len(values),), dtype=dtype),))
    return Parameters.from_arrays(manifest, {"x": np.array(values)})


def stepped(aggregation: Aggregation, model: Parameters, updates: list[Parameters]) -> Parameters:
    """The model after one round at rate 1."""
    aggregation.clear()
    for update in updates:
        aggregation.add(update)
    return aggregation.step(model, 1.0)


def one_step(name: str, updates: list[Parameters], **rules: Any) -> list[float]:
    """From zeros, the values of the model after one round at rate 1."""
    manifest = updates[0].manifest
    zero = Parameters(manifest, tuple(np.zeros_like(buffer) for buffer in updates[0].buffers))
    (buffer,) = stepped(rule(name, manifest, **rules), zero, updates).buffers
    return [float(value) for value in buffer]
