"""docs/OPERATIONS.md says of every event what it means."""

import re
from pathlib import Path

import pytest

import participant
from coordinator.journal import JournalEvent

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")
_NAMED = re.compile(r'(?:Note\(|_log\.\w+\()\s*"(\w+)"')
_ANSWERS = [f"{what}_{how}" for what in ("update", "evaluation") for how in ("sent", "accepted", "rejected")]
_MADE_UP = ["joined", "rejoined", *_ANSWERS]


def participants_events() -> list[str]:
    """By name, as the sources have them; what they choose or make up is listed here."""
    sources = [path.read_text() for path in Path(str(participant.__file__)).parent.rglob("*.py")]
    return sorted({*_MADE_UP, *(name for source in sources for name in _NAMED.findall(source))})


def explained() -> set[str]:
    """What begins a row of a table, or is among what begins it."""
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("|")]
    return set(re.findall(r"`(\w+)`", "\n".join(rows)))


@pytest.mark.parametrize("name", [kind.name() for kind in JournalEvent.__subclasses__()])
def test_what_the_coordinator_says(name: str) -> None:
    assert name in explained()


@pytest.mark.parametrize("name", participants_events())
def test_what_a_participant_says(name: str) -> None:
    assert name in explained()


def test_the_events_of_participants_are_found() -> None:
    assert {"train_started", "reconnect_failed", "participant_started"} <= set(participants_events())
