"""What a process has used so far, as Linux counts it."""

import os
from contextlib import suppress
from pathlib import Path


def resident_kib(pid: int) -> int:
    """Memory that a process has in use, in KiB. Raises ``ProcessLookupError`` once it has ended."""
    return _status_kib(pid, "VmRSS")


def peak_kib(pid: int) -> int:
    """The most that it had in use, in KiB; as above."""
    return _status_kib(pid, "VmHWM")


def processor_s(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def and_below(pid: int) -> list[int]:
    """A process and all that it has started, and those have started, as far as they still run."""
    found, parents = [pid], _parents()
    for one in found:  # grows meanwhile
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _parents() -> dict[int, int]:
    """Of every process of this machine."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return parents


def _status_kib(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ProcessLookupError(f"process {pid} has no memory any more")
