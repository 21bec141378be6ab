"""Which models wait to be measured, and which auditor is at which."""

from collections.abc import Iterable, Sequence


class Evaluations:
    """Rounds whose model is to be measured; each is given to one idle auditor at a time. ``now``: seconds on
    any monotonic clock."""

    def __init__(self, outstanding: Iterable[int] = ()) -> None:
        self._outstanding = sorted(set(outstanding))
        self._assigned: dict[str, int] = {}
        # By auditor and round, the first time: one that starts anew over and over gets no further on.
        self._since: dict[tuple[str, int], float] = {}

    @property
    def outstanding(self) -> tuple[int, ...]:
        """Rounds without a measurement yet, ascending; those being measured included."""
        return tuple(self._outstanding)

    def add(self, round_number: int) -> None:
        if round_number not in self._outstanding:
            self._outstanding.append(round_number)
            self._outstanding.sort()

    def assigned(self, auditor: str) -> int | None:
        """The round that this auditor is at."""
        return self._assigned.get(auditor)

    def under_way(self, now: float, patience_s: float) -> bool:
        """Whether anybody is at a round that it was first given no longer ago than that."""
        return any(now - self._since[given] <= patience_s for given in self._assigned.items())

    def assign(self, auditors: Sequence[str], now: float) -> list[tuple[str, int]]:
        """Give the earliest free rounds to those of the auditors that are idle: (auditor, round) pairs."""
        busy = set(self._assigned.values())
        free = [number for number in self._outstanding if number not in busy]
        idle = [name for name in auditors if name not in self._assigned]
        given = list(zip(idle, free, strict=False))
        self._assigned.update(given)
        for each in given:
            self._since.setdefault(each, now)
        return given

    def release(self, auditor: str) -> None:
        """The auditor is gone; what it was at is free again."""
        self._assigned.pop(auditor, None)

    def settle(self, round_number: int) -> None:
        """The round is measured, or given up; being told twice changes nothing."""
        self._outstanding = [number for number in self._outstanding if number != round_number]
        self._assigned = {name: number for name, number in self._assigned.items() if number != round_number}
        self._since = {given: since for given, since in self._since.items() if given[1] != round_number}
