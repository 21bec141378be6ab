"""What is done to a federation, and what must hold: tests/system/failures in the long form."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.system.failures.clock import clocks_are_wrong
from tests.system.failures.crowd import Crowd, many_join_at_once
from tests.system.failures.cut import Cut, link_cut_in_mid_transfer
from tests.system.failures.disk import KIND as DISK_KIND
from tests.system.failures.disk import NO_CHECKPOINT, NO_JOURNAL, disk_fills_up
from tests.system.failures.federation import REAL, Kind, undisturbed
from tests.system.failures.figures import Figure
from tests.system.failures.kills import POOR, Trouble, killed_at_random
from tests.system.failures.narrow import transfers_longer_than_liveness
from tests.system.failures.noise import Noise, nonsense_is_counted
from tests.system.failures.sleep import KIND as SLEEP_KIND
from tests.system.failures.sleep import coordinator_sleeps, participant_sleeps
from tests.system.failures.slow_sender import Slowness, one_sends_slowly
from tests.system.lab.hosts import REPOSITORY

PATIENCE_S = 4 * 3600.0
# Not all are selected, and what is not shared goes on from round to round: both must survive. A round takes
# long enough for many of them to be struck.
TRAINED = Kind(
    program=REAL,
    names=("ann", "bob", "cid", "dee"),
    settings={
        **{"rounds": 200, "selected": 3, "min_updates": 3, "liveness_s": 10.0},
        **{"model.shared": "features", "learning.inner_steps": 40},
    },
)
# Half a minute to send the whole model at 2 % loss, a hundred times: the first two blocks will do.
SMALL = replace(TRAINED, settings={**TRAINED.settings, "model.shared": 2})


@dataclass(frozen=True)
class Surroundings:
    """``folder``: of this row alone. ``expected``: the undisturbed run of a kind of federation, made once."""

    folder: Path
    cache: Path
    expected: Callable[[Kind], dict[int, str]]


@dataclass(frozen=True)
class Row:
    """``run`` raises AssertionError when something does not hold, and skips what is not possible here.
    ``trained``: a network is."""

    name: str
    happens: str
    holds: str
    run: Callable[[Surroundings], list[Figure]]
    trained: bool = False


class Undisturbed:
    def __init__(self, folder: Path, cache: Path) -> None:
        self._folder = folder
        self._cache = cache
        self._made: list[tuple[Kind, dict[int, str]]] = []

    def __call__(self, kind: Kind) -> dict[int, str]:
        for made, digests in self._made:
            if made == kind:
                return digests
        folder = self._folder / f"undisturbed-{len(self._made)}"
        self._made.append((kind, undisturbed(folder, self._cache, kind)))
        return self._made[-1][1]


def _killed(kind: Kind, trouble: Trouble) -> Callable[[Surroundings], list[Figure]]:
    return lambda at: killed_at_random(at.folder, at.cache, kind, trouble, at.expected(kind), PATIENCE_S)


def _sleeping(at: Surroundings) -> list[Figure]:
    expected = at.expected(SLEEP_KIND)
    figures = [Figure("asleep", 60, "s, the coordinator")]
    figures += coordinator_sleeps(at.folder / "coordinator", at.cache, expected, 60.0)
    figures += [Figure("asleep", 60, "s, a participant")]
    return figures + participant_sleeps(at.folder / "participant", at.cache, expected, 60.0)


def _slow(at: Surroundings) -> list[Figure]:
    figures = []
    for name, rate in (("stops", 0.0), ("drips", 1.0)):
        slowness = Slowness(rate, rounds=100, most=1.5, slack_s=1.0)
        figures += one_sends_slowly(at.folder / name, at.cache, slowness)
    return figures


def _strangers(at: Surroundings) -> list[Figure]:
    """The tests of keys are short as they are: they are run, and counted."""
    command = [sys.executable, "-m", "pytest", "-q", "--basetemp", str(at.folder), "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *STRANGERS], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr[-200:]
    assert done.returncode == 0, last
    return [Figure("tests", last.strip("= "))]


STRANGERS = ("tests/coordinator/test_gate.py", "tests/system/test_keys.py")

ROWS = [
    Row(
        "participants",
        "a participant is killed, at random, about every 3 s for 200 rounds",
        "the run completes with the model of the undisturbed run",
        _killed(TRAINED, Trouble(participant_every_s=3.0, seed=1)),
        trained=True,
    ),
    Row(
        "coordinator",
        "the coordinator is killed 5 times and resumed",
        "the same model; participants reconnect by themselves within 5 s of its return",
        _killed(TRAINED, Trouble(coordinator_kills=5, seed=2)),
        trained=True,
    ),
    Row(
        "both",
        "both at once, with 50 ms delay, 2 % loss and reordering on every link",
        "the same model",
        _killed(SMALL, Trouble(participant_every_s=3.0, coordinator_kills=5, link=POOR, seed=3)),
        trained=True,
    ),
    Row(
        "cut",
        "a link is cut for 30 s in mid-transfer, both ends alive",
        "noticed within the liveness time; the participant rejoins; nobody waits longer than the deadline",
        lambda at: link_cut_in_mid_transfer(at.folder, at.cache, Cut(lasts_s=30.0, slack_s=1.0)),
    ),
    Row(
        "narrow",
        "a link is so narrow that a model takes longer than the liveness time",
        "nobody is taken for lost, and the round comes about",
        lambda at: transfers_longer_than_liveness(at.folder, at.cache),
    ),
    Row(
        "disk",
        "the disk of the coordinator fills",
        "the run stops with the reason; the last checkpoint is whole; resuming works",
        lambda at: disk_fills_up(at.folder, at.cache, at.expected(DISK_KIND), NO_CHECKPOINT, NO_JOURNAL),
    ),
    Row(
        "sleep",
        "the machine sleeps (SIGSTOP for 60 s): the coordinator's, then a participant's",
        "no false state afterwards; the same model",
        _sleeping,
    ),
    Row(
        "crowd",
        "1,000 participants join within 10 s",
        "all are in, heartbeats hold, memory is bounded",
        lambda at: many_join_at_once(at.folder, at.cache, Crowd(1000, 4, within_s=10.0, holds_s=60.0)),
    ),
    Row(
        "noise",
        "1,000,000 malformed, mutated and truncated messages from a participant with a valid key",
        "no crash, no state change, memory growth under 20 MB, each counted by its reason; "
        "the others' rounds at most 1.5 times as long",
        lambda at: nonsense_is_counted(
            at.folder, at.cache, Noise(1_000_000, before=50, most=1.5, timeout_s=PATIENCE_S)
        ),
    ),
    Row(
        "strangers",
        "an unknown key, a revoked key, a stolen name, a replayed update, an update for another round or run",
        "refused by name of the reason",
        _strangers,
    ),
    Row(
        "slow",
        "a participant stops in mid-message, or sends on at 1 byte a second",
        "the others are unaffected",
        _slow,
    ),
    Row(
        "clock",
        "the clocks of the coordinator and of a participant are wrong by up to a day, and jump",
        "nothing depends on it: the same model, also after a resume",
        lambda at: clocks_are_wrong(at.folder, at.cache, TRAINED, at.expected(TRAINED), PATIENCE_S),
        trained=True,
    ),
]
