"""Which code made a run: a digest over the sources that its numbers depend on, kept with each run.

The version stays the same between releases while the code changes. What only starts, watches and reports
(``deploy``) is not part of it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import coordinator
import participant
import protocol
from protocol.files import write_whole

NOT_ON_RECORD = "not on record"
_FILE = "code.json"


def digest_of(packages: Sequence[Path]) -> str:
    """SHA-256 of paths within each package folder and bytes of its ``.py`` files, in order of their paths."""
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            source = path.read_bytes()
            digest.update(f"{path.relative_to(package.parent).as_posix()} {len(source)}\n".encode())
            digest.update(source)
    return digest.hexdigest()


def current() -> str:
    """Of the files as they are now."""
    modules = (protocol, coordinator, participant)
    return digest_of([Path(str(module.__file__)).parent for module in modules])


def note_code(run_dir: Path, code: str) -> None:
    """On starting a run or going on with it; one that began with other code has both."""
    there = _read(run_dir)
    if code not in there:
        write_whole(run_dir / _FILE, (json.dumps({"sha256": [*there, code]}) + "\n").encode())


def codes_of(run_dir: Path) -> tuple[str, ...]:
    """The digests of a run, shortened for people, or that there is none."""
    return tuple(digest[:12] for digest in _read(run_dir)) or (NOT_ON_RECORD,)


def distinct(codes: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Each once, in order of appearance."""
    return tuple(dict.fromkeys(code for each in codes for code in each))


def _read(run_dir: Path) -> list[str]:
    try:
        return [str(digest) for digest in json.loads((run_dir / _FILE).read_bytes())["sha256"]]
    except (OSError, ValueError, KeyError, TypeError):  # of a study that was made before, or of other hands
        return []
