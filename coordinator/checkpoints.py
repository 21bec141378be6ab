"""Checkpoints: the model and the federation's state, so written that one which is there is whole.

``round-NNNNNN.safetensors`` is written first, ``round-NNNNNN.json`` last: its presence makes the
checkpoint. Each is written under a temporary name, synced, renamed, and the directory synced.
"""

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import safetensors.numpy
from pydantic import ValidationError
from safetensors import SafetensorError

from coordinator.state import CHECKPOINT_VERSION, CheckpointRecord, FederationState
from protocol.errors import RunFailed
from protocol.files import make_whole, write_whole
from protocol.manifest import Parameters

KEPT = 2
_NO_STATE = "not a checkpoint's state"


class CheckpointProblem(Exception):
    """A checkpoint that cannot be used; the message is the reason, in one line."""


@dataclass(frozen=True)
class Checkpoint:
    state: FederationState
    model: Parameters
    path: Path


@dataclass(frozen=True)
class Damaged:
    path: Path
    reason: str


class CheckpointStore:
    """The checkpoints of one run. ``kept_for_good`` says of which rounds the model must stay."""

    def __init__(self, directory: Path, kept_for_good: Callable[[int], bool]) -> None:
        self.directory = directory
        self._kept_for_good = kept_for_good

    def rounds(self) -> list[int]:
        """Rounds that have a checkpoint, ascending."""
        names = (path.stem.removeprefix("round-") for path in self.directory.glob("round-*.json"))
        return sorted(int(name) for name in names if name.isdecimal())

    def write(self, state: FederationState, model: Parameters) -> Path:
        """Store and make durable, then delete what need not be kept any more.

        Raises :class:`RunFailed` when that fails, for instance on a full disk; no
        half-written file stays.
        """
        record = CheckpointRecord(
            version=CHECKPOINT_VERSION, state=state, manifest=model.manifest, model_digest=model.digest()
        )
        tensors = self._tensors(state.round)
        make_whole(tensors, lambda path: _save(model, path))
        write_whole(self._record(state.round), record.model_dump_json(indent=1).encode())
        try:
            self._retire()
        except OSError as error:
            raise RunFailed(f"{error.filename}: cannot delete an old checkpoint: {error.strerror}") from error
        return tensors

    def newest(self) -> tuple[Checkpoint | None, list[Damaged]]:
        """The newest checkpoint that is whole, and the newer ones that are not."""
        damaged: list[Damaged] = []
        for number in reversed(self.rounds()):
            try:
                return self.load(number), damaged
            except CheckpointProblem as problem:
                damaged.append(Damaged(self._record(number), str(problem)))
        return None, damaged

    def load(self, number: int) -> Checkpoint:
        """Raises :class:`CheckpointProblem` when it is not there, or not what was written."""
        record = self._read_record(number)
        path = self._tensors(number)
        try:
            arrays = safetensors.numpy.load(path.read_bytes())
            model = Parameters.from_arrays(record.manifest, arrays)
        except OSError as error:
            raise CheckpointProblem(f"{path.name}: {error.strerror}") from error
        except (SafetensorError, KeyError, ValueError) as error:
            raise CheckpointProblem(f"{path.name}: not the model that was written") from error
        if model.digest() != record.model_digest:
            raise CheckpointProblem(f"{path.name}: its digest is not the one in {self._record(number).name}")
        for buffer in model.buffers:
            buffer.flags.writeable = False
        return Checkpoint(record.state, model, path)

    def discard(self, damaged: Damaged) -> None:
        """Move a damaged checkpoint out of the way, for a person to look at."""
        try:
            damaged.path.rename(damaged.path.with_suffix(".json.damaged"))
        except OSError as error:
            raise RunFailed(f"{damaged.path}: cannot move it out of the way: {error.strerror}") from error

    def _read_record(self, number: int) -> CheckpointRecord:
        path = self._record(number)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointProblem(f"{path.name}: {error.strerror}") from error
        try:
            record = CheckpointRecord.model_validate_json(data)
        except ValidationError as error:
            reason = "written by another version of fedmeta" if _other_version(data) else _NO_STATE
            raise CheckpointProblem(f"{path.name}: {reason}") from error
        if record.state.round != number:
            raise CheckpointProblem(f"{path.name}: holds round {record.state.round}")
        return record

    def _retire(self) -> None:
        for number in self.rounds()[:-KEPT]:
            if not self._kept_for_good(number):
                # The record first: without it the model file is no checkpoint.
                self._record(number).unlink(missing_ok=True)
                self._tensors(number).unlink(missing_ok=True)

    def _tensors(self, number: int) -> Path:
        return self.directory / f"round-{number:06d}.safetensors"

    def _record(self, number: int) -> Path:
        return self.directory / f"round-{number:06d}.json"


def _save(model: Parameters, path: Path) -> None:
    """Without a copy of the model in memory."""
    try:
        safetensors.numpy.save_file(model.arrays(), path)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error)) from error


def _other_version(data: bytes) -> bool:
    """Whether this is a checkpoint's state in another form than today's (the first had no version)."""
    try:
        record = json.loads(data)
    except ValueError:
        return False
    return isinstance(record, dict) and "state" in record and record.get("version") != CHECKPOINT_VERSION
