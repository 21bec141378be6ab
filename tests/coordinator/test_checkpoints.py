"""A checkpoint that is there is whole; what is damaged is never used."""

import errno
import os
from pathlib import Path

import pytest

from coordinator.checkpoints import Checkpoint, CheckpointProblem, CheckpointStore
from coordinator.state import FederationState, Unmeasured
from protocol.errors import RunFailed
from tests.coordinator import tiny

RUN = "0123456789abcdef"


def state(number: int) -> FederationState:
    return FederationState(
        run=RUN, round=number, roster=("ann", "bob"), shares={"ann": 0, "bob": 1},
        previous={"ann": number}, evaluations=(Unmeasured(round=0, reported=("ann",)),), auditor_seen=True,
        elapsed_s=1.5,
    )  # fmt: skip


def store(directory: Path, *kept: int) -> CheckpointStore:
    return CheckpointStore(directory / "checkpoints", lambda number: number in kept)


def filled(directory: Path, *rounds: int) -> CheckpointStore:
    checkpoints = store(directory)
    for number in rounds:
        checkpoints.write(state(number), tiny.values(number, "model"))
    return checkpoints


def newest(checkpoints: CheckpointStore) -> Checkpoint:
    found, _ = checkpoints.newest()
    assert found is not None
    return found


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    found = newest(filled(tmp_path, 7))
    assert found.state == state(7)
    assert found.model.digest() == tiny.values(7, "model").digest()
    assert found.path.name == "round-000007.safetensors"
    assert not found.model.buffers[0].flags.writeable


def test_an_empty_directory_has_none(tmp_path: Path) -> None:
    assert store(tmp_path).newest() == (None, [])


def test_the_newest_two_and_those_of_measured_rounds_are_kept(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, 0, 4)
    for number in range(8):
        checkpoints.write(state(number), tiny.values(number))
    assert checkpoints.rounds() == [0, 4, 6, 7]
    left = sorted(path.name for path in checkpoints.directory.iterdir())
    assert left == [
        f"round-00000{number}.{kind}" for number in (0, 4, 6, 7) for kind in ("json", "safetensors")
    ]


@pytest.mark.parametrize("size", [0, 1, 100, -1])
@pytest.mark.parametrize("kind", ["safetensors", "json"])
def test_a_cut_file_falls_back_to_the_checkpoint_before(tmp_path: Path, kind: str, size: int) -> None:
    checkpoints = filled(tmp_path, 2, 4)
    path = checkpoints.directory / f"round-000004.{kind}"
    os.truncate(path, size if size >= 0 else path.stat().st_size - 1)
    found, damaged = checkpoints.newest()
    assert found is not None
    assert found.state.round == 2
    assert [problem.path.name for problem in damaged] == ["round-000004.json"]
    assert f"round-000004.{kind}" in damaged[0].reason


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, 2, 4)
    path = checkpoints.directory / "round-000004.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointProblem, match="digest"):
        checkpoints.load(4)
    assert newest(checkpoints).state.round == 2


def test_a_missing_model_file_is_noticed(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, 2, 4)
    (checkpoints.directory / "round-000004.safetensors").unlink()
    assert newest(checkpoints).state.round == 2


def test_a_model_without_its_state_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, 2, 4)
    (checkpoints.directory / "round-000004.json").unlink()
    assert checkpoints.newest()[1] == []
    assert newest(checkpoints).state.round == 2


def test_a_discarded_checkpoint_no_longer_counts_as_one_of_the_newest(tmp_path: Path) -> None:
    checkpoints = filled(tmp_path, 2, 4)
    os.truncate(checkpoints.directory / "round-000004.safetensors", 10)
    _, damaged = checkpoints.newest()
    checkpoints.discard(damaged[0])
    checkpoints.write(state(3), tiny.values(3))
    assert checkpoints.rounds() == [2, 3]


def test_an_old_one_that_cannot_be_deleted_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = filled(tmp_path, 2, 4)

    def read_only(path: Path, **_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("pathlib.Path.unlink", read_only)
    with pytest.raises(RunFailed, match=r"round-000002.json: cannot delete an old checkpoint: Read-only"):
        checkpoints.write(state(6), tiny.values(6))
    assert newest(checkpoints).state.round == 6


@pytest.mark.parametrize("failing", ["write", "fsync", "rename"])
def test_a_full_disk_is_one_line_with_the_remedy_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    checkpoints = filled(tmp_path, 2)
    before = sorted(checkpoints.directory.iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    where = {
        "write": "coordinator.checkpoints._save",
        "fsync": "os.fsync",
        "rename": "pathlib.Path.replace",
    }
    monkeypatch.setattr(where[failing], full)
    with pytest.raises(
        RunFailed, match=r"No space left on device; make room .* --resume \(a study: with the same command\)"
    ) as caught:
        checkpoints.write(state(4), tiny.values(4))
    assert "\n" not in str(caught.value)
    assert sorted(checkpoints.directory.iterdir()) == before
    assert newest(checkpoints).state.round == 2
