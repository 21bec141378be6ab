"""The coordinator's disk fills up: the run stops and says why, and goes on once there is room again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from coordinator.checkpoints import CheckpointStore
from tests.system.failures.federation import Federation, Kind, federation, go_on, stop, wait_until
from tests.system.failures.figures import Figure

DISK = "4m"
# Its checkpoints are 400 kB each.
KIND = Kind(environment={"LIGHT_PARAMETERS": "100000"}, settings={"rounds": 20})


@dataclass(frozen=True)
class Fullness:
    """``left``: bytes that there is still room for, once there is a checkpoint, of ``every`` so many rounds.
    ``name``: what does not fit any more."""

    name: str
    left: int
    every: int


NO_CHECKPOINT = Fullness("checkpoint", left=100_000, every=2)
NO_JOURNAL = Fullness("journal", left=0, every=10)


def disk_fills_up(folder: Path, cache: Path, expected: dict[int, str], *fullness: Fullness) -> list[Figure]:
    """Raises AssertionError when something that must hold does not."""
    figures = []
    for full in fullness:
        name = full.name
        kind = replace(KIND, settings={**KIND.settings, "checkpoint_every": full.every})
        with _small_disk(folder / name) as disk, federation(disk, cache, kind) as one:
            last_words = _fill(one, disk, full.left, full.every)
            assert name in last_words
            newest, damaged = CheckpointStore(one.run_dir / "checkpoints", lambda _: False).newest()
            assert newest is not None
            assert not damaged, f"damaged: {damaged}"
            (disk / "filling").unlink()
            for participant in one.participants.values():
                assert participant.wait() == 3  # it was told that the run has failed
            one.resume()
            for participant_name in one.kind.names:
                one.start(participant_name)
            assert one.finish() == expected
            figures.append(Figure(f"no room for a {name}", last_words))
            figures.append(Figure("went on from the checkpoint of round", newest.state.round))
    return figures


def _fill(one: Federation, disk: Path, left: int, after: int) -> str:
    """Leave only that many bytes once the checkpoint of a round is there; the coordinator's last words."""
    wait_until(lambda: one.journal("checkpoint_written", round=after), "the first checkpoint")
    stop(one.coordinator)  # it could be through before the disk is full
    with (disk / "filling").open("wb", buffering=0) as filling:
        with suppress(OSError):
            while filling.write(bytes(4096)):
                pass
        os.truncate(filling.fileno(), max(0, filling.tell() - left))
    go_on(one.coordinator)
    assert one.coordinator.wait() == 3, one.coordinator.stderr
    assert "Traceback" not in one.coordinator.stderr
    last = one.coordinator.stderr.splitlines()[-1]
    assert "No space left on device" in last, last
    return last.replace(f"{disk}/", "")


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "fedmeta-test", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
