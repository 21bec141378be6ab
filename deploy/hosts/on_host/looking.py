"""What a host is like, seen from the inside."""

from __future__ import annotations

import os
import platform
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from deploy.hosts.on_host.files import COORDINATOR, key_of, read_text
from deploy.hosts.on_host.processes import processes
from deploy.hosts.on_host.progress import progress

REACH_S = 5.0


def probe(home: Path, bind: list[Any] | None, keys: list[str]) -> dict[str, Any]:
    """What can be seen without fedmeta. ``bind``: host and port, where the coordinator is to listen here;
    ``keys``: whose there may be."""
    home.mkdir(parents=True, exist_ok=True)
    trial = home / f".{os.getpid()}.trial"
    trial.touch()
    trial.unlink()
    known = processes(home)
    alive = [entry for entry in known if entry["alive"]]
    running = [entry["name"] for entry in alive]
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "fedmeta": _fedmeta_version(),
        "time": time.time(),
        "folder": str(home),
        "free_bytes": shutil.disk_usage(home).free,
        "port_problem": _port_problem(*bind) if bind and COORDINATOR not in running else None,
        "open_keys": [str(path) for path in (key_of(home, name) for name in keys) if _is_open(path)],
        "ends_at_logout": _ends_at_logout(),
        "running": running,
        "damaged": [entry["damaged"] for entry in known if "damaged" in entry],
        "commands": {entry["name"]: entry.get("arguments", []) for entry in alive},
        "scenario": read_text(home / "run" / "scenario.toml"),
        "status": progress(home)["status"],
    }


def _fedmeta_version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fedmeta")
    except PackageNotFoundError:
        return None


def _port_problem(host: str, port: int) -> str | None:
    try:
        kind, *_, address = socket.getaddrinfo(
            None if host == "*" else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(kind) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _ends_at_logout() -> bool:
    """Whether systemd-logind ends this user's processes when its connection has gone, as it does not with
    root's by default. That a user lingers does not help: what ends are those of the connection."""
    if _logind_says("KillUserProcesses") != ["b", "true"]:
        return False
    user = pwd.getpwuid(os.getuid()).pw_name
    only = _logind_says("KillOnlyUsers")[2:]  # behind type and number
    return user not in _logind_says("KillExcludeUsers")[2:] and (not only or user in only)


def _logind_says(what: str) -> list[str]:
    """A property of it, as busctl writes it; nothing where there is none."""
    manager = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    try:
        said = subprocess.run(
            ["busctl", "get-property", *manager, what],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return shlex.split(said.stdout.decode(errors="replace"))


def fit(home: Path, scenario: str, data_dir: str | None, devices: list[str]) -> dict[str, Any]:
    """By the fedmeta that is here: what a scenario lacks on this host, for each device that is wanted. With
    an empty text only the devices."""
    import torch

    from deploy.checks import check_scenario
    from participant.device import choose_device
    from protocol.errors import FedmetaError
    from protocol.scenario import parse_scenario

    problems = {}
    for device in devices:
        try:
            choose_device(device, "")
            if scenario:
                data = Path(data_dir).expanduser() if data_dir else None
                check_scenario(parse_scenario(scenario), data, device)
        except FedmetaError as error:
            problems[device] = str(error)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cards = [torch.cuda.get_device_properties(index) for index in range(count)]
    there = [f"{card.name} ({card.total_memory / 2**30:.0f} GiB)" for card in cards]
    return {"problems": problems, "gpus": [*there, *(["MPS"] if torch.backends.mps.is_available() else [])]}


def reach(home: Path, host: str, port: int) -> dict[str, Any]:
    """``problem``: why the coordinator cannot be reached from here; None if it can."""
    try:
        socket.create_connection((host, port), timeout=REACH_S).close()
    except OSError as error:
        return {"problem": error.strerror or str(error)}
    return {"problem": None}
