"""Aggregation rules by name, one file each: how the updates of a round become the next model.

| rule | memory, for n updates of a model of P parameters |
|---|---|
| ``mean`` | 8·P bytes, whatever n |
| ``norm-bound`` with a number | 8·P bytes, whatever n |
| ``norm-bound`` with ``"median"`` | 8·P bytes and n updates |
| ``coordinate-median`` | n updates, and 8 MiB at the step |

An update takes the memory that it took on the wire: 4·P bytes in float32, 2·P in bfloat16, 1.004·P in int8.
It is decoded chunk by chunk as it is read, never as a whole.
"""

from coordinator.aggregation.base import AGGREGATIONS, LARGEST, Aggregation, BadValues
from coordinator.aggregation.coordinate_median import CoordinateMedian
from coordinator.aggregation.mean import GRID, MOST_UPDATES, UpdateSum
from coordinator.aggregation.norm_bound import ConstantBound, MedianBound

__all__ = [
    "AGGREGATIONS",
    "GRID",
    "LARGEST",
    "MOST_UPDATES",
    "Aggregation",
    "BadValues",
    "ConstantBound",
    "CoordinateMedian",
    "MedianBound",
    "UpdateSum",
]
