"""Key files and the allow-list on disk. A problem is a :class:`UsageProblem` that says what would help."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.errors import UsageProblem
from protocol.files import replace_whole
from protocol.keys import AllowList, KeyPair, is_public, parse_allowed, parse_key, parse_public

ALLOWED = "allowed"
COORDINATOR = "coordinator"
MOST_BYTES = 16 * 2**20  # no list of participants is longer


def read_key(path: Path) -> KeyPair:
    """A secret key, which nobody but its owner may be able to read."""
    with _explained(path), path.open("rb") as file:
        key = parse_key(_text(file.read(MOST_BYTES), path), str(path))
        mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(mode) and mode & 0o077:
        raise UsageProblem(
            f"{path}: group or others may use this secret key (mode {mode & 0o777:04o}); "
            f"chmod 600 {path}, and make a new key if somebody may have read it"
        )
    return key


def read_public(given: str) -> str:
    """A public key that is given as such, or as its .pub file."""
    if is_public(given):
        return given
    return read_public_file(Path(given))[1]


def read_public_file(path: Path) -> tuple[str, str]:
    """Name and public key."""
    with _explained(path):
        return parse_public(_text(path.read_bytes(), path), str(path))


def read_allowed(directory: Path) -> AllowList:
    path = directory / ALLOWED
    with _explained(path):
        return parse_allowed(_text(path.read_bytes(), path), str(path))


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
    text = ""
    with _explained(path):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            text = _text(path.read_bytes(), path)
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
    allowed = read_allowed(directory)
    if allowed.key_of(name) is None:
        known = ", ".join(sorted(allowed.names.values())) or "nobody"
        raise UsageProblem(f"{path}: does not name {name}; allowed are: {known}")
    with _explained(path):
        lines = _text(path.read_bytes(), path).splitlines(keepends=True)
    _write(path, "".join(line for line in lines if line.split()[:1] != [name]))


def provide(directory: Path, names: Iterable[str]) -> None:
    """Keys for the coordinator and all ``names``, who are allowed. What is there already stays, so that one
    who was revoked is not allowed again."""
    names = list(names)
    new = [name for name in (COORDINATOR, *names) if not (directory / f"{name}.key").exists()]
    for name in new:
        write_pair(directory, KeyPair.new(name))
    path = directory / ALLOWED
    with _explained(path):
        text = _text(path.read_bytes(), path) if path.exists() else None
    wanted = names if text is None else [name for name in names if name in new]
    if wanted or text is None:
        lines = (" ".join(read_public_file(directory / f"{name}.pub")) + "\n" for name in wanted)
        _write(path, (text or "") + "".join(lines))


def _write(path: Path, text: str) -> None:
    with _explained(path):
        replace_whole(path, text.encode())


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageProblem(f"{path}, line {line}: not text; write it anew") from error


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if path.name == ALLOWED:
            remedy = "nobody could join; allow somebody with fedmeta keys allow NAME --keys DIR"
        else:
            remedy = f"make a key with fedmeta keys new {path.stem} --keys {path.parent}"
        raise UsageProblem(f"{path}: not there; {remedy}") from error
    except OSError as error:
        raise UsageProblem(f"{path}: cannot be used: {error.strerror}") from error
