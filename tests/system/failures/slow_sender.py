"""A participant sends one byte a second, or stops in the middle of a message: the others are unaffected."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.system.failures.federation import Federation, Kind, federation, wait_until
from tests.system.failures.figures import Figure
from tests.system.relay import Tap, dripping_link

SLOW = "ann"
KIND = Kind(
    environment={"LIGHT_PARAMETERS": "25000", "LIGHT_WORK_S": "0.1"},
    settings={"rounds": 100_000, "min_updates": 2, "round_deadline_s": 5.0, "liveness_s": 2.5},
)
HALF_AN_UPDATE = 50_000


@dataclass(frozen=True)
class Slowness:
    """``rate``: bytes a second in the middle of an update. ``rounds`` of the others are compared before and
    after; ``most``: how many times as long they may be (None: not looked at). ``slack_s``: what a busy
    machine may add to a deadline."""

    rate: float
    rounds: int
    most: float | None
    slack_s: float


def one_sends_slowly(folder: Path, cache: Path, slowness: Slowness) -> list[Figure]:
    """Raises AssertionError when something that must hold does not."""
    deadline_s = float(str(KIND.settings["round_deadline_s"]))
    tap = Tap()
    with federation(folder, cache, KIND) as one, dripping_link(one.endpoint, tap) as slow:
        one.participants[SLOW].kill()
        one.start(SLOW, endpoint=slow)
        before = _rounds(one, one.round(), slowness.rounds)
        tap.rate, tap.free = slowness.rate, HALF_AN_UPDATE
        wait_until(lambda: one.journal("participant_lost", participant=SLOW, reason="silent"), "it is missed")
        stuck = one.round()
        after = _rounds(one, stuck + 1, slowness.rounds)
        one.coordinator.terminate()
        assert one.coordinator.wait() == 130, one.coordinator.stderr
        others = [entry for entry in one.journal("participant_lost") if entry["participant"] != SLOW]
        longest = max(entry["seconds"] for entry in one.journal("round_completed"))
    ratio = median(after) / median(before)
    assert longest <= deadline_s + slowness.slack_s, f"a round took {longest:.1f} s"
    if slowness.most is not None:  # on a busy machine others may be late for its sake
        assert others == [], f"others were lost: {others}"
        assert ratio <= slowness.most, f"rounds took {ratio:.2f} times as long"
    return [
        Figure("bytes a second in mid-update", slowness.rate),
        Figure("the longest round", longest, f"s (deadline {deadline_s:g} s)"),
        Figure("rounds of the others, compared with those before", ratio, "times as long"),
    ]


def _rounds(one: Federation, first: int, count: int) -> list[float]:
    """Seconds of that many rounds from ``first`` on, once they are over."""
    wait_until(lambda: one.round() > first + count, f"{count} rounds")
    over = {entry["round"]: entry["seconds"] for entry in one.journal("round_completed")}
    return [over[number] for number in range(first + 1, first + count + 1)]
