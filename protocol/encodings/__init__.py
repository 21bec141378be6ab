"""Encodings of updates by name, one file each: what a participant's δ is on the wire.

The model that everybody is sent stays exact. ``float32`` loses nothing; of a float32 model ``bfloat16`` takes
half the bytes and ``int8`` a quarter. With ``int8`` each participant writes four bytes a value to its disk in
each round, what was lost, so it is for links that are slower than that.
"""

from protocol.encodings.base import ENCODINGS, BadFrames, Delta, Encoding, Packed
from protocol.encodings.bfloat16 import BFloat16
from protocol.encodings.float32 import Exact
from protocol.encodings.int8 import Int8

__all__ = ["ENCODINGS", "BFloat16", "BadFrames", "Delta", "Encoding", "Exact", "Int8", "Packed"]
