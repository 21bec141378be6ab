"""Processes are killed at random, over good links and bad ones: the model is that of an undisturbed run."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.failures.federation import Federation, Kind, federation, when
from tests.system.failures.figures import Figure
from tests.system.lab.hosts import Laboratory, laboratory
from tests.system.lab.quality import PERFECT, Quality

LOOK_S = 0.02
POOR = Quality(delay_s=0.05, loss=0.02, reorder=0.05)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A participant is killed, and started again, when each of ``participant_rounds`` begins, or about every
    ``participant_every_s``; the coordinator, and resumed, in ``coordinator_kills`` rounds.

    Everything that is left to chance comes from ``seed``. ``back_within_s``: how soon participants are to be
    there again after the coordinator is.
    """

    participant_rounds: tuple[int, ...] = ()
    participant_every_s: float | None = None
    coordinator_kills: int = 0
    link: Quality = PERFECT
    seed: int = 0
    back_within_s: float = 5.0


def killed_at_random(
    folder: Path, cache: Path, kind: Kind, trouble: Trouble, expected: dict[int, str], timeout_s: float
) -> list[Figure]:
    """Raises AssertionError when something that must hold does not."""
    with _lab(kind, trouble) as lab, federation(folder, cache, kind, lab) as one:
        done = _disturb(one, trouble, time.monotonic() + timeout_s)
        assert one.finish() == expected, "another model than that of the undisturbed run"
        assert one.journal("round_retried") == []
        back = [seconds for seconds in _returns(one) if seconds is not None]
        figures = [
            Figure("rounds", len(expected)),
            Figure("participants killed", done.participants),
            Figure("coordinator killed", done.coordinators),
            Figure("times that a participant joined", len(one.journal("participant_joined"))),
        ]
    if trouble.coordinator_kills:
        assert done.coordinators == trouble.coordinator_kills
        if not done.participants:
            assert max(back) <= trouble.back_within_s, f"a participant came back after {max(back):.1f} s"
        figures.append(Figure("all participants are back after the coordinator is, at most", max(back), "s"))
    return [*figures, Figure("last model", expected[max(expected)][:16])]


@dataclass
class _Done:
    participants: int = 0
    coordinators: int = 0
    rounds: list[int] = field(default_factory=list)


def _disturb(one: Federation, trouble: Trouble, deadline: float) -> _Done:
    """Until the run is over."""
    draw = random.Random(trouble.seed)
    last = int(str(one.kind.settings["rounds"]))
    coordinator_rounds = sorted(draw.sample(range(2, last), trouble.coordinator_kills))
    participant_rounds = list(trouble.participant_rounds)
    every_s = trouble.participant_every_s
    next_kill = None if every_s is None else time.monotonic() + every_s
    done = _Done()
    while one.coordinator.popen.poll() is None:
        assert time.monotonic() < deadline, f"not complete in time: in round {one.round()}"
        now, number = time.monotonic(), one.round()
        by_round = bool(participant_rounds) and number >= participant_rounds[0]
        if by_round or (next_kill is not None and now >= next_kill):
            one.restart(draw.choice(one.kind.names))
            done.participants += 1
            del participant_rounds[:1]
            next_kill = None if every_s is None else now + draw.uniform(0.5, 1.5) * every_s
        if coordinator_rounds and number >= coordinator_rounds[0]:
            one.coordinator.kill()
            one.resume()
            done.coordinators += 1
            del coordinator_rounds[:1]
        time.sleep(LOOK_S)  # the journal is another process's file: there is nothing to wait on
    return done


def _returns(one: Federation) -> Iterator[float | None]:
    """For each resumption: the seconds until all participants have joined again."""
    resumed = [when(entry) for entry in one.journal("run_resumed")]
    for begun, ended in zip(resumed, [*resumed[1:], float("inf")], strict=False):
        first: dict[str, float] = {}
        for entry in one.journal("participant_joined"):
            if begun <= when(entry) < ended:
                first.setdefault(entry["participant"], when(entry) - begun)
        yield max(first.values()) if len(first) == len(one.kind.names) else None


@contextmanager
def _lab(kind: Kind, trouble: Trouble) -> Iterator[Laboratory | None]:
    if trouble.link == PERFECT:
        yield None
        return
    with laboratory("coordinator", *kind.names, seed=trouble.seed) as lab:
        for name in kind.names:
            lab.link(name, trouble.link)
        yield lab
