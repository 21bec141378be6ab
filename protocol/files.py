"""Files that after a crash are there whole, as before, or not at all; a directory held by one process."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from protocol.errors import RunFailed, UsageProblem


@contextlib.contextmanager
def locked(directory: Path, lock_file: str, *, what: str, taken: str) -> Iterator[None]:
    """Make the directory, which is ``what`` for people, and hold it for this process.

    Raises :class:`UsageProblem` when it cannot be made, or that it is ``taken``.
    """
    with _usage_problem(directory, what):
        directory.mkdir(parents=True, exist_ok=True)
        lock = try_lock(directory / lock_file, 0o644)
    if lock is None:
        raise UsageProblem(f"{directory}: {taken}")
    try:
        yield
    finally:
        os.close(lock)


def make_usable(directory: Path, *, what: str) -> None:
    """Make the directory, which is ``what`` for people. Raises :class:`UsageProblem` where it cannot be made,
    or no file in it."""
    with _usage_problem(directory, what):
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()


@contextlib.contextmanager
def _usage_problem(directory: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageProblem(
            f"{directory}: cannot use this {what}: {error.strerror}; choose another, or make it yours"
        ) from error


def try_lock(path: Path, mode: int) -> int | None:
    """A descriptor that holds the file for this process until it is closed; None where another has it.
    Raises :class:`OSError` where there can be no such file, which ``mode`` is for."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


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
    make_whole(path, lambda temporary: _write(temporary, data))


def make_whole(path: Path, write: Callable[[Path], None]) -> None:
    """As :func:`write_whole`; ``write`` fills the file that it is given, or raises :class:`OSError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, write)
    except OSError as error:
        raise RunFailed(
            f"{path}: cannot write: {error.strerror}; make room or mend the disk, then go on with --resume "
            "(a study: with the same command)"
        ) from error


def replace_whole(path: Path, data: bytes, mode: int) -> None:
    """As :func:`write_whole`, where there is a directory, with these permissions; raises :class:`OSError`."""

    def write(temporary: Path) -> None:
        _write(temporary, data)
        temporary.chmod(mode)

    _replace(path, write)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
