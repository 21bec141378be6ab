"""How far a run is, by its journal, in a few words: what starting and watching it need."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from deploy.hosts.on_host.files import COORDINATOR, journal_of, read_record, record_of, size_of

EVENT = re.compile(r'"event": "(run_|round_(started|completed)|participant_(ready|joined|lost|left))')


def progress(home: Path) -> dict[str, Any]:
    """``status``: absent, starting, running, completed, failed or interrupted.

    What the coordinator that was started last has not confirmed does not count: until it has begun, the run
    is ``starting`` and nobody is ``ready``.
    """
    return Reader(home).progress()


class Reader:
    """Asked again, it reads the journal on from where it was: a long one takes a moment."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._begin(None)

    def progress(self) -> dict[str, Any]:
        """As :func:`progress`."""
        journal, border = journal_of(self._home), _begins_at(self._home)
        if border != self._border or size_of(journal) < self._position:
            self._begin(border)  # another coordinator, or another run
        if journal.exists():
            self._read_on(journal)
        if not self._is_past:  # nothing has come since
            return {**self._state, "status": "starting", "ready": []}
        return {**self._state, "ready": sorted(self._ready)}

    def _begin(self, border: int | None) -> None:
        self._border, self._position, self._is_past = border, 0, border is None
        self._ready: set[str] = set()
        self._state: dict[str, Any] = {
            "status": "absent", "run": None, "scenario": None, "rounds": None, "round": None, "waiting": None,
            "reason": None,
        }  # fmt: skip

    def _read_on(self, journal: Path) -> None:
        with journal.open("rb") as lines:
            lines.seek(self._position)
            for line in lines:
                if not line.endswith(b"\n"):
                    return  # torn: it is still being written, or its writer was killed
                if not self._is_past and self._border is not None and self._position >= self._border:
                    self._is_past = True
                    self._state["status"] = "starting"
                    self._ready.clear()
                self._position += len(line)
                text = line.decode(errors="replace")
                event = _event(text) if EVENT.search(text) else None
                if event:
                    _take(event, self._state, self._ready)


def _begins_at(home: Path) -> int | None:
    """Where in the journal the coordinator that was started last has begun."""
    try:
        record = read_record(record_of(home, COORDINATOR)) or {}
    except ValueError:
        return None  # processes() names it
    border: int | None = record.get("journal_from")
    return border


def holds_run(home: Path) -> bool:
    """Whether there is a run that a coordinator can go on with."""
    return journal_of(home).exists() or any((home / "run" / "checkpoints").glob("round-*.json"))


def _event(text: str) -> dict[str, Any] | None:
    try:
        event: dict[str, Any] = json.loads(text)
    except ValueError:
        return None  # a writer that was killed has left half of it
    return event


def _take(event: dict[str, Any], state: dict[str, Any], ready: set[str]) -> None:
    name = event["event"]
    if name in ("run_started", "run_resumed"):
        ready.clear()
        state.update(status="running", reason=None, waiting=None)
        state.update({key: event[key] for key in ("run", "scenario", "rounds", "round")})
    elif name in ("run_completed", "run_failed", "run_interrupted"):
        state.update(status=name[4:], reason=event.get("reason"), waiting=None)
    elif name == "run_waiting":
        state["waiting"] = event["reason"]
    elif name == "round_started":
        state.update(waiting=None)
    elif name == "round_completed":
        state.update(round=event["round"])
    elif name == "participant_ready":
        ready.add(event["participant"])
    elif name.startswith("participant_"):
        ready.discard(event["participant"])
