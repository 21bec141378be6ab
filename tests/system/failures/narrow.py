"""A link on which a model takes longer than the liveness time."""

from pathlib import Path

from tests.system.failures.federation import Kind, federation
from tests.system.failures.figures import Figure
from tests.system.lab.hosts import laboratory
from tests.system.lab.quality import Quality

NARROW = "ann"
BYTES = 300_000  # of a model
RATE = 100_000.0
KIND = Kind(
    environment={"LIGHT_PARAMETERS": str(BYTES // 4)},
    settings={"rounds": 1, "heartbeat_s": 0.1, "liveness_s": 1.2},
)


def transfers_longer_than_liveness(folder: Path, cache: Path) -> list[Figure]:
    """Raises AssertionError when a round does not come about: were only whole messages signs of life, both
    sides would take each other for lost again and again."""
    with laboratory("coordinator", *KIND.names) as lab, federation(folder, cache, KIND, lab) as one:
        lab.link(NARROW, Quality(rate=RATE))
        one.finish()
        (slow,) = one.journal("update_accepted", participant=NARROW)
    assert slow["waited_s"] >= 2 * BYTES / RATE  # the link was as narrow as that
    return [
        Figure("a model takes", BYTES / RATE, f"s each way (liveness {KIND.settings['liveness_s']} s)"),
        Figure("taken for lost", len(one.journal("participant_lost")), "participants"),
        Figure("from the order to the update", slow["waited_s"], "s"),
    ]
