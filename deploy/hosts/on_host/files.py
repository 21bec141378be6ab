"""Where things are in a federation's folder on a host, and reading and writing there.

DIR/SCENARIO.toml   DIR/keys/   DIR/run/ (the coordinator's run directory)   DIR/processes/NAME.json
DIR/participants/NAME.jsonl, NAME.stderr, NAME/ (its private state)
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

COORDINATOR = "coordinator"
RECORD: dict[str, type | tuple[type, ...]] = {
    "name": str, "pid": int, "began": (str, type(None)), "since": (int, float), "errors": str,
    "errors_from": int,
}  # fmt: skip


def record_of(home: Path, name: str) -> Path:
    return home / "processes" / f"{name}.json"


def key_of(home: Path, name: str) -> Path:
    return home / "keys" / f"{name}.key"


def journal_of(home: Path) -> Path:
    return home / "run" / "journal.jsonl"


def read_text(path: Path) -> str | None:
    """None where there is no such file, or in /proc no such process."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None


def read_record(path: Path) -> dict[str, Any] | None:
    """What a process wrote about itself; None where there is nothing. Raises ValueError for a damaged one."""
    try:
        text = read_text(path)
        record = json.loads(text) if text else None
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise ValueError(f"{path}: damaged") from error
    if record is None:
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(k), t) for k, t in RECORD.items()):
        raise ValueError(f"{path}: damaged")
    return record


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def last_line(text: str) -> str:
    """Of what a process wrote for people, without the program's name in front."""
    lines = text.strip().splitlines()
    return lines[-1].replace("fedmeta: ", "", 1) if lines else ""
