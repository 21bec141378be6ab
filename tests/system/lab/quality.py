"""What a link does to the packets that pass: decided from a seed, without sockets or clocks."""

import random
from dataclasses import dataclass

PACKET_BYTES = 1500
HELD_BACK_S = 0.03
QUEUE_S = 1.0


@dataclass(frozen=True)
class Quality:
    """Each way: ``delay_s``; ``loss`` and ``reorder``, the shares of packets that are lost and that are held
    back until later ones have passed; ``rate`` in bytes a second, None for any."""

    delay_s: float = 0.0
    loss: float = 0.0
    reorder: float = 0.0
    rate: float | None = None


PERFECT = Quality()


class Direction:
    """One way of a link. ``passed``: bytes so far; ``cut_at``: how many of them end it."""

    def __init__(self, seed: str) -> None:
        self.quality = PERFECT
        self.cut = False
        self.cut_at: int | None = None
        self.passed = 0
        self._draw = random.Random(seed)
        self._free_at = 0.0

    def arrival(self, now: float, size: int) -> float | None:
        """When a packet of ``size`` bytes that is sent ``now`` comes out; None: never."""
        if self.cut_at is not None and self.passed >= self.cut_at:
            self.cut = True
        quality = self.quality
        lost, held = self._draw.random() < quality.loss, self._draw.random() < quality.reorder
        if self.cut or lost:
            return None
        if quality.rate is not None:
            if self._free_at - now > QUEUE_S:
                return None  # the router's memory is full
            now = self._free_at = max(now, self._free_at) + size / quality.rate
        self.passed += size
        return now + quality.delay_s + (HELD_BACK_S if held else 0.0)
