"""What is measured of rounds: a case, and one go of one side at it. No imports that a bare side would not
have."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

WARM_UP = 2  # rounds that do not count
FEWEST, MOST = 3, 200  # rounds of one go that count
ENOUGH_BYTES = 1_000_000_000  # for one go to send one way
MOST_PROCESSES = 4
ENCRYPTED = "encrypted"  # on a command line
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Case:
    """``parameters`` float32 values go to each of ``participants`` and back; ``keys``: with CURVE (TLS)."""

    parameters: int
    participants: int
    keys: bool = False

    @property
    def processes(self) -> int:
        """That the participants are in, on all sides: more of them than this share one."""
        return min(self.participants, MOST_PROCESSES)

    @property
    def model_bytes(self) -> int:
        return 4 * self.parameters

    @property
    def rounds(self) -> int:
        """Of one go, without those to warm up."""
        return max(FEWEST, min(MOST, ENOUGH_BYTES // (self.model_bytes * self.participants)))

    def shared_out(self) -> list[int]:
        """How many participants each process has."""
        whole, more = divmod(self.participants, self.processes)
        return [whole + (number < more) for number in range(self.processes)]

    def __str__(self) -> str:
        what = f"{self.parameters:,} parameters, {self.participants:,} participants"
        return f"{what}, encrypted" if self.keys else what


@dataclass(frozen=True)
class Go:
    """One go of one side. Of a round: the median and 95th percentile of its time, from one end to the next,
    and the processor seconds of the coordinator's process and of all processes. ``idle_kib``: the
    coordinator's memory before anybody joined; ``peak_kib``: the most that it ever had."""

    round_s: float
    slow_s: float
    busy_s: float
    everybody_s: float
    idle_kib: int
    peak_kib: int

    @classmethod
    def of(
        cls, seconds: Sequence[float], busy_s: float, everybody_s: float, idle_kib: int, peak_kib: int
    ) -> "Go":
        """``seconds`` of the rounds that count, and the processor seconds of all of them together."""
        return cls(
            round_s=statistics.median(seconds),
            slow_s=percentile(seconds, 0.95),
            busy_s=busy_s / len(seconds),
            everybody_s=everybody_s / len(seconds),
            idle_kib=idle_kib,
            peak_kib=peak_kib,
        )

    def line(self) -> str:
        """As one process tells it to another."""
        return json.dumps(asdict(self))


def percentile(values: Sequence[float], share: float) -> float:
    """Between the two values beside it, in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
