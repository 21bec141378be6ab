"""Key files and the allow-list on disk. A problem is a :class:`UsageProblem` that says what would help."""

import fcntl
import os
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.errors import UsageProblem
from protocol.files import replace_whole
from protocol.keys import PUB, AllowList, KeyPair, is_public, parse_allowed, parse_key, parse_public

ALLOWED = "allowed"
COORDINATOR = "coordinator"
MOST_BYTES = 16 * 2**20  # of a file; no list of participants is longer


def read_key(path: Path) -> KeyPair:
    """A secret key, which nobody but its owner may be able to read."""
    remedy = f"make a key with fedmeta keys new {path.stem} --keys {path.parent}"
    text, mode = _read(path, remedy, waits=True)
    key = parse_key(text, str(path))
    if mode & 0o077:
        raise UsageProblem(
            f"{path}: group or others may use this secret key (mode {mode:04o}); "
            f"chmod 600 {shlex.quote(str(path))}, and make a new key if somebody may have read it"
        )
    return key


def read_public(given: str) -> str:
    """A public key that is given as such, or as its .pub file."""
    return read_public_file(Path(given))[1] if names_file(given) else given


def names_file(given: str) -> bool:
    """Whether this is a file and not a public key. A path can have a key's form: 40 characters, of which '/'
    and '.' may be some."""
    return given.endswith(PUB) or not is_public(given) or Path(given).exists()


def read_public_file(path: Path) -> tuple[str, str]:
    """Name and public key."""
    remedy = "name the .pub file that fedmeta keys new made, or give the 40 characters of the key in quotes"
    return parse_public(_read(path, remedy, waits=True)[0], str(path))


def read_allowed(directory: Path) -> AllowList:
    """Nobody but its owner may be able to change it: it says who gets in."""
    path = directory / ALLOWED
    text, mode = _read(path, "nobody could join; allow somebody with fedmeta keys allow NAME --keys DIR")
    if mode & 0o022:
        raise UsageProblem(
            f"{path}: group or others may change this list (mode {mode:04o}); look whether it is as it "
            f"should be, then chmod go-w {shlex.quote(str(path))}"
        )
    return parse_allowed(text, str(path))


def write_pair(directory: Path, pair: KeyPair) -> None:
    """NAME.key and NAME.pub, neither of which may be there."""
    with _explained(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = ((f"{pair.name}.key", pair.key_line, 0o600), (f"{pair.name}.pub", pair.public_line, 0o644))
    for name, _, _ in files:
        if (directory / name).exists():
            raise UsageProblem(
                f"{directory / name}: is there already; a new key for {pair.name} needs it moved away"
            )
    for name, line, mode in files:
        with _explained(directory / name):
            descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w") as file:
                os.fchmod(descriptor, mode)  # whatever the umask is
                file.write(line)


def allow(directory: Path, name: str, public: str) -> bool:
    """Add a line to the allow-list; False: it is there already."""
    path = directory / ALLOWED
    with editing(directory):
        text = _read(path, "")[0] if path.exists() else ""
        allowed = parse_allowed(text, str(path))
        if allowed.names.get(public) == name:
            return False
        if allowed.key_of(name) is not None:
            raise UsageProblem(
                f"{path}: {name} has another key; take that back first: fedmeta keys revoke {name}"
            )
        if public in allowed.names:
            raise UsageProblem(f"{path}: this key is that of {allowed.names[public]}; a key has one name")
        _write(path, text + ("\n" if text and not text.endswith("\n") else "") + f"{name} {public}\n")
    return True


def revoke(directory: Path, name: str) -> None:
    path = directory / ALLOWED
    with editing(directory):
        allowed = read_allowed(directory)
        if allowed.key_of(name) is None:
            known = ", ".join(sorted(allowed.names.values())) or "nobody"
            raise UsageProblem(f"{path}: does not name {name}; allowed are: {known}")
        lines = _read(path, "")[0].splitlines(keepends=True)
        _write(path, "".join(line for line in lines if line.split()[:1] != [name]))


@contextmanager
def editing(directory: Path) -> Iterator[None]:
    """Nobody else changes the allow-list between reading and writing it; waits for who does."""
    with _explained(directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(directory / f".{ALLOWED}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def provide(directory: Path, names: Iterable[str]) -> None:
    """Keys for the coordinator and all ``names``, who are allowed. What is there already stays, so that one
    who was revoked is not allowed again."""
    names = list(names)
    path = directory / ALLOWED
    with editing(directory):
        new = [name for name in (COORDINATOR, *names) if not (directory / f"{name}.key").exists()]
        for name in new:
            write_pair(directory, KeyPair.new(name))
        text = _read(path, "")[0] if path.exists() else None
        wanted = names if text is None else [name for name in names if name in new]
        if wanted or text is None:
            lines = (" ".join(read_public_file(directory / f"{name}.pub")) + "\n" for name in wanted)
            _write(path, (text or "") + "".join(lines))


def _write(path: Path, text: str) -> None:
    with _explained(path):
        mode = path.stat().st_mode & 0o755 if path.exists() else 0o644  # whatever the umask is
        replace_whole(path, text.encode(), mode)


def _read(path: Path, if_missing: str, *, waits: bool = False) -> tuple[str, int]:
    """A small file of text and its permissions. ``if_missing``: what would help then. ``waits``: it may be a
    pipe, whose permissions say nothing and are 0 here; without, this waits for nobody."""
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if waits else os.O_NONBLOCK)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise UsageProblem(f"{path}: not there; {if_missing}") from error
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be used: {error.strerror}") from error
    with _explained(path), os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        regular = stat.S_ISREG(mode)
        if not regular and not waits:
            raise UsageProblem(f"{path}: not a file; this list has to be one")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UsageProblem(f"{path}: more than {MOST_BYTES} bytes; that is no file of keys")
    return _text(data, path), stat.S_IMODE(mode) if regular else 0


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageProblem(f"{path}, line {line}: not text; what belongs there is a line of text") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be used: {error.strerror}") from error
