"""Processes that outlive the SSH connection that started them, and are known again later.

Each writes DIR/processes/NAME.json about itself. A process is known by its number and the time at which it
began: a number that the system gave to somebody else is never signalled.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from deploy.hosts.on_host.files import (
    COORDINATOR,
    journal_of,
    last_line,
    read_record,
    read_text,
    record_of,
    size_of,
    write_text,
)
from deploy.hosts.on_host.progress import holds_run

LOOK_S = 0.05  # processes that are not our children announce their end in no portable way
CHECKPOINT_S = 60.0  # for a coordinator to write its last checkpoint
GRACE_S = 10.0  # for a participant to leave
LAST_WORDS_BYTES = 4096


def start(home: Path, commands: list[list[Any]]) -> list[str]:
    """Start what does not run yet; the names of those. ``commands``: the name, the arguments after
    ``fedmeta``, and in DIR the file for errors. The coordinator goes on with a run that is there."""
    (home / "processes").mkdir(parents=True, exist_ok=True)
    begun = []
    with (home / "processes" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two of us at once would start everything twice
        alive = {entry["name"] for entry in processes(home) if entry["alive"]}
        for name, arguments, errors in commands:
            if name in alive:
                continue
            resume = ["--resume"] if name == COORDINATOR and holds_run(home) else []
            _spawn(home, name, arguments, resume, home / errors)
            begun.append(name)
    return begun


def _spawn(home: Path, name: str, arguments: list[str], resume: list[str], errors: Path) -> None:
    """Start one, in a session of its own, which the end of the connection does not concern. It writes down
    who it is before it becomes fedmeta, so that no end of ours leaves a process that nobody knows."""
    errors.parent.mkdir(parents=True, exist_ok=True)
    listening, telling = os.pipe()  # exec closes it: then its end has come, and nothing was told
    if os.fork() == 0:
        try:
            os.setsid()
            os.chdir(home)
            output = os.open(errors, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
                os.dup2(source, target)
            record = {
                "name": name,
                "pid": os.getpid(),
                "began": began(os.getpid()),
                "since": time.time(),
                "arguments": arguments,  # as asked for, to be compared with what is asked for later
                "errors": str(errors),
                "errors_from": size_of(errors),
                "journal_from": size_of(journal_of(home)) if name == COORDINATOR else None,
            }
            write_text(record_of(home, name), json.dumps(record))
            expanded = [str(Path(a).expanduser()) if a.startswith("~/") else a for a in arguments]
            os.execv(sys.executable, [sys.executable, "-P", "-m", "deploy", *expanded, *resume])
        except OSError as error:
            os.write(telling, str(error).encode())
        finally:
            os._exit(127)
    os.close(telling)
    with os.fdopen(listening, "rb") as told:
        problem = told.read().decode()
    if problem:
        raise OSError(0, f"cannot start {name}: {problem}")


def stop(home: Path, names: list[str] | None) -> dict[str, list[str]]:
    """End these (None: all): ``ended`` by themselves when asked to, or ``killed`` with all they started.
    ``damaged``: records here that do not say whom to end; they are left for somebody to look."""
    asked = [e for e in processes(home) if e["alive"] and (names is None or e["name"] in names)]
    for entry in asked:
        _signal(entry, signal.SIGTERM, group=False)
    patience = CHECKPOINT_S if any(entry["name"] == COORDINATOR for entry in asked) else GRACE_S
    deadline = time.monotonic() + patience
    while any(_is_alive(entry) for entry in asked) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    killed = [entry for entry in asked if _is_alive(entry)]
    for entry in killed:
        _signal(entry, signal.SIGKILL, group=True)
    while any(_is_alive(entry) for entry in killed):
        time.sleep(LOOK_S)
    for entry in processes(home):
        if not entry["alive"] and "damaged" not in entry and (names is None or entry["name"] in names):
            record_of(home, entry["name"]).unlink()
    return {
        "damaged": [entry["damaged"] for entry in processes(home) if "damaged" in entry],
        "ended": [entry["name"] for entry in asked if entry not in killed],
        "killed": [entry["name"] for entry in killed],
    }


def _signal(entry: dict[str, Any], number: int, *, group: bool) -> None:
    if _is_alive(entry):
        try:
            (os.killpg if group else os.kill)(entry["pid"], number)
        except ProcessLookupError:
            return  # it has just ended


def processes(home: Path) -> list[dict[str, Any]]:
    """Every process that was started here and not stopped, ``alive`` or not, with its ``last_words``. Of one
    with a record that cannot be read nothing else is known: ``damaged`` says which file that is."""
    found = []
    for file in sorted((home / "processes").glob("[!.]*.json")):
        try:
            entry = read_record(file)
        except ValueError:
            nothing = {"pid": 0, "began": None, "since": 0, "errors": "", "errors_from": 0}
            found.append(
                {"name": file.stem, **nothing, "alive": False, "last_words": "", "damaged": str(file)}
            )
            continue
        if entry is not None:
            entry.update(alive=_is_alive(entry), last_words=_last_words(entry))
            found.append(entry)
    return found


def _last_words(entry: dict[str, Any]) -> str:
    path = Path(entry["errors"])
    if not path.exists():
        return ""
    with path.open("rb") as errors:
        errors.seek(max(entry["errors_from"], size_of(path) - LAST_WORDS_BYTES))
        return last_line(errors.read().decode(errors="replace"))


def _is_alive(entry: dict[str, Any]) -> bool:
    return entry["began"] is not None and began(entry["pid"]) == entry["began"]


def began(pid: int) -> str | None:
    """When a process began: with its number nobody else's. None if there is none, or only its remains."""
    if not Path("/proc/self").exists():
        said = subprocess.run(
            ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
            check=False,
            stdout=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
        words = said.stdout.decode().split(None, 1)
        return None if not words or words[0].startswith("Z") else words[1].strip()
    text = read_text(Path(f"/proc/{pid}/stat"))
    if text is None:
        return None
    # What is in parentheses is the program's name, and may be anything; see proc(5) for the fields.
    state, *fields = text.rsplit(")", 1)[1].split()
    boot = read_text(Path("/proc/sys/kernel/random/boot_id")) or ""
    return None if state in "ZX" else f"{boot.strip()} {fields[18]}"
