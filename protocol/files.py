"""Writing a file so that after a crash it is there whole, as it was before, or not at all."""

import contextlib
import os
from pathlib import Path

from protocol.errors import RunFailed


def remove_temporary(directory: Path) -> None:
    """What a process that was killed while it wrote has left there."""
    with contextlib.suppress(OSError):
        for left in directory.glob(".*.tmp"):
            left.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name, sync, rename, sync the directory.

    Raises :class:`RunFailed` with the remedy when that fails, for instance on a full disk; no half-written
    file stays.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_synced(temporary, data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise RunFailed(
            f"{path}: cannot write: {error.strerror}; make room or mend the disk, then go on with --resume"
        ) from error


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
