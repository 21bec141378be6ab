"""A machine sleeps for a while and wakes up: SIGSTOP, and SIGCONT later."""

import time
from pathlib import Path

from tests.system.failures.federation import Federation, Kind, federation, go_on, stop, wait_until
from tests.system.failures.figures import Figure

KIND = Kind(settings={"rounds": 8, "liveness_s": 1.0})
SLEEPER = "bob"
ROUND = 3


def coordinator_sleeps(
    folder: Path, cache: Path, expected: dict[int, str], lasts_s: float | None
) -> list[Figure]:
    """``lasts_s`` None: until all participants have missed it."""
    with federation(folder, cache, KIND) as one:
        wait_until(lambda: one.round() >= ROUND, "a round under way")
        stop(one.coordinator)
        wait_until(lambda: all(one.log(name, "coordinator_lost") for name in KIND.names), "they miss it")
        _sleep(lasts_s)
        go_on(one.coordinator)
        return _figures(one, expected)


def participant_sleeps(
    folder: Path, cache: Path, expected: dict[int, str], lasts_s: float | None
) -> list[Figure]:
    """``lasts_s`` None: until the coordinator has missed it."""
    with federation(folder, cache, KIND) as one:
        wait_until(lambda: one.round() >= ROUND, "a round under way")
        stop(one.participants[SLEEPER])
        wait_until(lambda: one.journal("participant_lost", participant=SLEEPER), "it is missed")
        _sleep(lasts_s)
        go_on(one.participants[SLEEPER])
        figures = _figures(one, expected)
        assert all(process.wait() == 0 for process in one.participants.values())
        return figures


def _sleep(lasts_s: float | None) -> None:
    if lasts_s is not None:
        time.sleep(lasts_s)


def _figures(one: Federation, expected: dict[int, str]) -> list[Figure]:
    """Nothing of what happened is in the models; everybody is there once, and is told of the end."""
    assert one.finish() == expected, "another model than that of the undisturbed run"
    assert one.journal("round_retried") == []
    assert one.journal("participant_refused") == []
    updates = [(entry["round"], entry["participant"]) for entry in one.journal("update_accepted")]
    assert len(updates) == len(set(updates)) == len(expected) * len(KIND.names)
    return [
        Figure("taken for lost by the coordinator", len(one.journal("participant_lost")), "participants"),
        Figure("joined again", len(one.journal("participant_joined")) - len(KIND.names), "participants"),
        Figure("last model", expected[max(expected)][:16]),
    ]
