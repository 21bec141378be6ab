"""The clocks of some hosts are wrong, and jump."""

from itertools import pairwise
from pathlib import Path

from tests.system.failures.federation import Kind, federation, wait_until, when
from tests.system.failures.figures import Figure
from tests.system.lab.hosts import REPOSITORY
from tests.system.processes import TIMEOUT_S

WRONG = {"PYTHONPATH": f"{Path(__file__).parent / 'wrong_clock'}:{REPOSITORY}"}
HOUR_S = 3600.0


def clocks_are_wrong(
    folder: Path, cache: Path, kind: Kind, expected: dict[int, str], timeout_s: float = TIMEOUT_S
) -> list[Figure]:
    """The coordinator's and one participant's; the coordinator is killed and resumed on top of it."""
    with federation(folder, cache, kind, coordinator_environment=WRONG) as one:
        one.participants[kind.names[0]].kill()
        one.start(kind.names[0], **WRONG)
        wait_until(lambda: one.journal("checkpoint_written", round=3), "a checkpoint")
        one.coordinator.kill()
        one.resume()
        assert one.finish(timeout_s) == expected, "another model than that of the undisturbed run"
        assert one.journal("round_retried") == []
        times = [when(entry) for entry in one.journal("round_completed")]
    jumps = [abs(later - earlier) for earlier, later in pairwise(times)]
    assert max(jumps) > HOUR_S, "the clock was right"
    return [
        Figure("the largest jump of the coordinator's clock between two rounds", max(jumps) / HOUR_S, "h"),
        Figure("last model", expected[max(expected)][:16]),
    ]
