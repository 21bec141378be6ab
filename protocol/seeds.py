"""Randomness by purpose: every generator is derived from the run's seed and the names of what it is for.

No process-wide generator is ever used, so that the order in which things happen (who joined first, who
was restarted) cannot change what is drawn.
"""

import hashlib
import json

import numpy as np


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, for instance ``derive_seed(7, "round", 12, "alice", "episode")``.

    The purpose is encoded as JSON, so ``("a", "b")`` and ``("ab",)`` differ.
    """
    encoded = json.dumps([seed, *purpose], separators=(",", ":")).encode()
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose; see :func:`derive_seed`."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *purpose)))
