"""How far a run is, by its journal, in a few words: what starting and watching it need."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from deploy.hosts.on_host.files import COORDINATOR, journal_of, read_record, record_of

EVENT = re.compile(r'"event": "(run_|round_(started|completed)|participant_(ready|joined|lost|left))')


def progress(home: Path) -> dict[str, Any]:
    """``status``: absent, starting, running, completed, failed or interrupted.

    What the coordinator that was started last has not confirmed does not count: until it has begun, the run
    is ``starting`` and nobody is ``ready``.
    """
    try:
        record = read_record(record_of(home, COORDINATOR)) or {}
    except ValueError:
        record = {}  # which processes() names
    border: int | None = record.get("journal_from")
    state: dict[str, Any] = {
        "status": "absent" if border is None else "starting", "run": None, "scenario": None, "rounds": None,
        "round": None, "ready": [], "waiting": None, "reason": None,
    }  # fmt: skip
    if not journal_of(home).exists():
        return state
    ready: set[str] = set()
    with journal_of(home).open("rb") as lines:
        position = 0
        for line in lines:
            if border is not None and position >= border:
                border = None
                state["status"] = "starting"
                ready.clear()
            position += len(line)
            text = line.decode(errors="replace")
            if EVENT.search(text):
                event = _event(text)
                if event:
                    _take(event, state, ready)
    if border is not None:  # nothing has come since
        state["status"] = "starting"
        ready.clear()
    return {**state, "ready": sorted(ready)}


def holds_run(home: Path) -> bool:
    """Whether there is a run that a coordinator can go on with."""
    return journal_of(home).exists() or any((home / "run" / "checkpoints").glob("round-*.json"))


def _event(text: str) -> dict[str, Any] | None:
    try:
        event: dict[str, Any] = json.loads(text)
    except ValueError:
        return None  # torn: it is still being written, or its writer was killed
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
