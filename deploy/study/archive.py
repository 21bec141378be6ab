"""A study's measurements as one file, small enough to keep beside the page that was made of them: whoever
unpacks it has a study whose pages can be written anew, and that goes on where it was left.

Models and private states are not in it; of the journals, what nobody measured is left out.
"""

import io
import json
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path

from coordinator.reading.events import parse_event
from deploy.study.federation import is_complete
from deploy.study.study import Study
from protocol.files import write_whole

SUFFIX = ".tar.xz"
_FILES = ("scenario.toml", "roles.json", "code.json")
_JOURNAL = "journal.jsonl"
_EVENTS = (
    "run_started",
    "run_resumed",
    "participant_joined",
    "evaluated",
    "evaluation_skipped",
    "run_completed",
)


def pack(study: Study, name: str, path: Path) -> None:
    """Write what was measured in the complete runs of ``study``, as a folder of this name; the same study is
    the same bytes."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file, content in _entries(study):
            entry = tarfile.TarInfo(f"{name}/{file}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lzma.compress(data.getvalue()))


def _entries(study: Study) -> Iterator[tuple[str, bytes]]:
    directory = study.directory
    # Why runs failed is this machine's business, and names its folders.
    ledger = study.ledger.model_copy(update={"failures": {}})
    yield directory.ledger.name, (ledger.model_dump_json(indent=2) + "\n").encode()
    plan = study.plan(study.ledger.experiments)
    for run in sorted(plan.runs, key=lambda run: run.id):
        folder = directory.run_dir(run.id)
        if not is_complete(folder):
            continue
        name = folder.relative_to(directory.path).as_posix()
        for file in _FILES:
            if (folder / file).is_file():
                yield f"{name}/{file}", (folder / file).read_bytes()
        yield f"{name}/{_JOURNAL}", _measured((folder / _JOURNAL).read_bytes())


def _measured(journal: bytes) -> bytes:
    """Of the lines that are whole, those of measurements and of the run's begin and end."""
    lines = [line for line in journal.decode(errors="replace").split("\n") if parse_event(line)]
    events = [event for event in map(json.loads, lines) if event["event"] in _EVENTS]
    for event in events:
        if start := event.get("started_from"):
            # Not the folders of the machine that it was run on.
            event["started_from"] = "/".join(Path(start).parts[-3:])  # RUN/checkpoints/FILE
    return "".join(f"{json.dumps(event)}\n" for event in events).encode()
