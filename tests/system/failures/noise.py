"""A participant with a valid key sends nonsense as fast as it can: it is counted, and that is all."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.system.failures.federation import Federation, Kind, federation, undisturbed, wait_until, when
from tests.system.failures.figures import Figure
from tests.system.usage import resident_kib

FLOOD, PEERS = "tests.system.failures.flood", "tests.system.failures.peers"
OTHERS = ("peer-0", "peer-1", "peer-2")
EVE = "eve"
KIND = Kind(
    names=(),
    guests=(*OTHERS, EVE),
    environment={"LIGHT_WORK_S": "0.2"},
    # Heartbeats so frequent leave room for nearly any number of messages; those who keep to themselves here
    # send none, so that nothing but the nonsense comes in.
    settings={
        **dict.fromkeys(("participants", "selected", "min_updates"), len(OTHERS) + 1),
        **{"rounds": 100_000, "heartbeat_s": 0.0001, "liveness_s": 600.0},
    },
)
MOST_GROWTH_KIB = 20 * 1024


@dataclass(frozen=True)
class Noise:
    """``messages`` of nonsense, from ``seed``; after ``before`` rounds without. ``most``: how many times as
    long the others' rounds may take (None: not looked at)."""

    messages: int
    before: int
    most: float | None
    timeout_s: float
    seed: int = 0


def nonsense_is_counted(folder: Path, cache: Path, noise: Noise) -> list[Figure]:
    """Raises AssertionError when something that must hold does not."""
    with federation(folder / "disturbed", cache, KIND) as one:
        one.python(PEERS, one.endpoint, str(one.keys), "peer", str(len(OTHERS)), "quiet")
        numbers = (str(number) for number in (noise.messages, noise.before, noise.seed))
        flood = one.python(FLOOD, one.endpoint, str(one.keys), EVE, *numbers)
        wait_until(lambda: one.round() > noise.before, "rounds without nonsense")
        before_kib = resident_kib(one.coordinator.pid)
        wait_until(lambda: flood.stdout.endswith("\n"), "all of it is sent", noise.timeout_s)
        said = json.loads(flood.stdout)
        sent = Counter({str(reason): int(count) for reason, count in said["sent"].items()})
        # What is counted is said when a round ends.
        wait_until(
            lambda: sum(_counted(one).values()) >= noise.messages, "all of it is counted", noise.timeout_s
        )
        after_kib = resident_kib(one.coordinator.pid)
        last = one.round() + 1
        wait_until(lambda: one.round() > last, "rounds after it")
        one.coordinator.terminate()
        assert one.coordinator.wait() == 130, one.coordinator.stderr
        assert one.journal("participant_lost") == []
        assert _counted(one) == sent
        during, quiet = _seconds(one, said["begun"], said["ended"])
        models = {entry["round"]: entry["model_digest"] for entry in one.journal("round_completed")}
        assert "Traceback" not in one.coordinator.stderr
    assert models == _without(folder, cache, last=max(models))
    assert after_kib - before_kib <= MOST_GROWTH_KIB, f"{after_kib - before_kib} KiB more"
    ratio = median(during) / median(quiet) if during else float("nan")
    assert noise.most is None or ratio <= noise.most, f"rounds took {ratio:.2f} times as long"
    return [
        Figure("messages of nonsense", noise.messages),
        Figure("a second", noise.messages / (said["ended"] - said["begun"])),
        *(Figure(f"counted as {reason}", count) for reason, count in sorted(sent.items())),
        Figure("the coordinator's memory grew by", (after_kib - before_kib) / 1024, "MiB"),
        Figure("rounds meanwhile", len(during)),
        Figure("rounds of the others, compared with those without", ratio, "times as long"),
    ]


def _counted(one: Federation) -> Counter[str]:
    counted: Counter[str] = Counter()
    for entry in one.journal("round_completed"):
        counted.update(entry["rejections"])
    return counted


def _seconds(one: Federation, begun: float, ended: float) -> tuple[list[float], list[float]]:
    """How long rounds took that were wholly during the nonsense, and those wholly before or after it."""
    during, quiet = [], []
    for entry in one.journal("round_completed"):
        over = when(entry)
        start = over - entry["seconds"]
        if begun <= start and over <= ended:
            during.append(entry["seconds"])
        elif over < begun or start > ended:
            quiet.append(entry["seconds"])
    return during, quiet


def _without(folder: Path, cache: Path, last: int) -> dict[int, str]:
    """The models of the same participants in so many rounds, when nobody sends nonsense."""
    settings = {"rounds": last, "round_deadline_s": 600.0}
    kind = Kind(names=(*OTHERS, EVE), environment={"LIGHT_WORK_S": "0"}, settings=settings)
    return undisturbed(folder / "undisturbed", cache, kind)
