"""Many participants join at once, and stay."""

import time
from dataclasses import dataclass
from pathlib import Path

from tests.system.failures.federation import LIGHT, Federation, Kind, federation, wait_until, when
from tests.system.failures.figures import Figure
from tests.system.usage import processor_s, resident_kib

# Open files that a process may have without asking for more: what most systems give it.
PROGRAM = ("sh", "-c", 'ulimit -Sn 1024; exec "$@"', "sh", *LIGHT)
PEERS = "tests.system.failures.peers"
# libzmq gives a connection its buffers when they are first used: with 200 participants that all took part,
# memory was the same from the second minute on, 70 KiB for each of them.
MOST_KIB_EACH = 128
MOST_KIB_BESIDE = 20 * 1024


@dataclass(frozen=True)
class Crowd:
    """``holds_s``: how long they are watched once all are in; at least until the third round is over."""

    participants: int
    processes: int
    within_s: float
    holds_s: float


def many_join_at_once(folder: Path, cache: Path, crowd: Crowd) -> list[Figure]:
    """Raises AssertionError when something that must hold does not."""
    selected = min(50, crowd.participants)
    each = crowd.participants // crowd.processes
    groups = [f"peer-{number}" for number in range(crowd.processes)]
    kind = Kind(
        program=PROGRAM,
        names=(),
        guests=tuple(f"{group}-{number}" for group in groups for number in range(each)),
        environment={"LIGHT_WORK_S": "0.5"},
        settings={
            **{"participants": crowd.participants, "selected": selected, "min_updates": selected},
            **{"rounds": 100_000, "heartbeat_s": 1.0, "liveness_s": 10.0},
        },
    )
    with federation(folder, cache, kind) as one:
        alone = resident_kib(one.coordinator.pid)
        for group in groups:
            one.python(PEERS, one.endpoint, str(one.keys), group, str(each))
        wait_until(lambda: len(one.journal("participant_ready")) >= crowd.participants, "all are in", 120.0)
        full, busy_s = resident_kib(one.coordinator.pid), processor_s(one.coordinator.pid)
        took = _took(one)
        ends = time.monotonic() + crowd.holds_s
        wait_until(
            lambda: one.round() > 3 and time.monotonic() >= ends, "rounds go on", crowd.holds_s + 120.0
        )
        after = resident_kib(one.coordinator.pid)
        one.coordinator.terminate()
        assert one.coordinator.wait() == 130, one.coordinator.stderr
        lost, rounds = one.journal("participant_lost"), one.journal("round_completed")
    assert took <= crowd.within_s, f"all were in after {took:.1f} s"
    assert lost == [], f"{len(lost)} were lost"
    assert after - alone <= MOST_KIB_EACH * crowd.participants + MOST_KIB_BESIDE, f"{after} KiB"
    return [
        Figure("participants", crowd.participants),
        Figure("from the first join until all were ready", took, "s"),
        Figure("processor time of the coordinator until then", busy_s, "s"),
        Figure("watched for", crowd.holds_s, "s"),
        Figure("taken for lost", len(lost), "participants"),
        Figure("rounds meanwhile", len(rounds)),
        Figure("memory of the coordinator alone", alone / 1024, "MiB"),
        Figure("with all of them", full / 1024, "MiB"),
        Figure("at the end", after / 1024, f"MiB ({MOST_KIB_EACH} KiB for each and 20 MiB are the limit)"),
    ]


def _took(one: Federation) -> float:
    begun = min(when(entry) for entry in one.journal("participant_joined"))
    return max(when(entry) for entry in one.journal("participant_ready")) - begun
