"""Takes one request, ``{"do": NAME, "dir": DIR, …}``, and answers it by one line of JSON behind MARK."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.hosts.on_host.files import key_of, read_text, write_text
from deploy.hosts.on_host.looking import fit, probe, reach
from deploy.hosts.on_host.processes import processes, start, stop
from deploy.hosts.on_host.progress import Reader, progress

MARK = "fedmeta-agent "
LOOK_S = 0.2  # a file that grows announces it in no portable way
RUN_FILES = ("journal.jsonl", "scenario.toml", "split.json", "coordinator.stderr")


def main(request: str) -> None:
    # The current directory, somebody's home, may hold folders that are called like our packages.
    sys.path[:] = [entry for entry in sys.path if entry]
    os.umask(0o077)
    arguments = json.loads(request)
    do, home = arguments.pop("do"), Path(arguments.pop("dir")).expanduser()
    answer: dict[str, Any]
    try:
        answer = {"answer": ACTIONS[do](home, **arguments)}
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        answer = {"problem": f"{where}{error.strerror or error}"}
    print(f"\n{MARK}{json.dumps(answer)}")


def look(home: Path) -> dict[str, Any]:
    return {"processes": processes(home), "progress": progress(home)}


def watch(home: Path, names: list[str], ready: list[str] | None, seconds: float) -> dict[str, Any]:
    """As :func:`look`, once all of ``ready`` have joined (nobody: once the run has begun), or one of
    ``names`` has ended, or the time is over. ``ready`` None: nobody is waited for."""
    deadline, reader = time.monotonic() + seconds, Reader(home)
    while True:
        seen: dict[str, Any] = {"processes": processes(home), "progress": reader.progress()}
        alive = {entry["name"] for entry in seen["processes"] if entry["alive"]}
        if not alive.issuperset(names) or time.monotonic() > deadline:
            return seen
        status = seen["progress"]["status"]
        there = status == "running" and ready is not None and set(ready) <= set(seen["progress"]["ready"])
        if ready is not None and (there or status in ("completed", "failed", "interrupted")):
            return seen
        time.sleep(LOOK_S)


def make_keys(home: Path, names: list[str]) -> dict[str, str]:
    """Make the key pairs that are missing, whose secrets stay here; all public keys by name."""
    from protocol.errors import FedmetaError
    from protocol.key_files import read_key
    from protocol.keys import KeyPair

    public = {}
    for name in names:
        path = key_of(home, name)
        if not path.exists():
            write_text(path, KeyPair.new(name).key_line)
        if path.stat().st_size == 0:
            raise OSError(0, f"{path}: empty; move it away there, then deploy up makes a new key")
        try:
            pair = read_key(path)
        except FedmetaError as error:
            raise OSError(0, str(error)) from error
        write_text(path.with_suffix(".pub"), pair.public_line)
        public[name] = pair.public
    return public


def put(home: Path, files: dict[str, str]) -> None:
    """Write texts by their path in DIR."""
    for name, text in files.items():
        write_text(home / name, text)


def read(home: Path, files: list[str]) -> dict[str, str | None]:
    return {name: read_text(home / name) for name in files}


def set_aside(home: Path) -> None:
    """Move a former run out of the way, so that another can begin."""
    former = home / "former" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for name in ("run", "participants"):
        if (home / name).exists():
            former.mkdir(parents=True, exist_ok=True)
            (home / name).rename(former / name)


def pack(home: Path, names: list[str], run: bool, checkpoints: bool) -> str:
    """A compressed tar, as base64: the run directory, if that is wanted, and these participants' logs."""
    paths = [f"participants/{name}.{kind}" for name in names for kind in ("jsonl", "stderr")]
    paths += [f"run/{name}" for name in (RUN_FILES if run else ())]
    if run and checkpoints:
        paths += [f"run/checkpoints/{p.name}" for p in sorted((home / "run/checkpoints").glob("round-*"))]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path in paths:
            if (home / path).is_file():
                with (home / path).open("rb") as file:
                    info = tarfile.TarInfo(path)
                    info.size = os.fstat(file.fileno()).st_size  # a log that grows meanwhile ends here
                    tar.addfile(info, file)
    return base64.b64encode(packed.getvalue()).decode()


ACTIONS: dict[str, Callable[..., Any]] = {
    action.__name__: action
    for action in (probe, fit, reach, make_keys, put, read, set_aside, pack, start, look, watch, stop)
}
