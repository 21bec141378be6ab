"""An update on its way out: in the federation's encoding, with what that lost of the last one that counted.

What was lost is kept on disk by the round of the update, as private parameters are, and taken up from the
round that the order names: so being asked twice, a retried round, or a coordinator that resumes from an older
checkpoint all give the same bytes. It is added as it is, whatever the server's rate and the aggregation rule
make of updates.
"""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from participant.round_files import forget, round_file
from protocol.encodings import Delta, Encoding, Packed
from protocol.errors import RunFailed
from protocol.files import write_whole
from protocol.manifest import Manifest, Parameters
from protocol.messages import Train

LOST = "lost"
NOTHING_LOST = b""  # a file of what was lost that says so
_CHUNK = 1 << 15


class Packer:
    """Writes nothing where the encoding wants nothing fed back."""

    def __init__(self, encoding: Encoding, manifest: Manifest, directory: Path) -> None:
        self._encoding = encoding
        self._manifest = manifest
        self._directory = directory
        self._feedback = feeds_back(encoding, manifest)

    def pack(self, order: Train, delta: Parameters) -> Packed:
        """δ of the order's round, as it is sent. Raises :class:`RunFailed` when what was lost of the round
        ``order.previous`` is not there or damaged, or the disk refuses what is lost of this one."""
        if not self._feedback:
            return self._encoding.encode(delta)
        whole = self._with_lost(delta, order.previous)
        packed = self._encoding.encode(whole)
        lost = save(dict(zip(self._manifest.dtypes, _difference(whole, packed), strict=True)))
        write_whole(lost_file(self._directory, order.round), lost)
        forget(self._directory, LOST, order.keep_from)
        return packed

    def _with_lost(self, delta: Parameters, previous: int) -> Parameters:
        if not previous:
            return delta
        path = lost_file(self._directory, previous)
        try:
            data = path.read_bytes()
            lost = load(data) if data != NOTHING_LOST else {}
        except (OSError, SafetensorError) as error:
            raise RunFailed(
                f"{path}: what was lost of this participant's update of round {previous} cannot be read: "
                f"{error}; start it where that is, or make an empty file there, which says that nothing "
                "was lost: the model is then another one"
            ) from error
        if not lost:
            return delta
        if [(lost[dtype].dtype, lost[dtype].size) for dtype in sorted(lost)] != [
            (buffer.dtype, buffer.size) for buffer in delta.buffers
        ]:
            raise RunFailed(f"{path}: of another model; start this participant with a --state-dir of its own")
        buffers = zip(self._manifest.dtypes, delta.buffers, strict=True)
        return Parameters(self._manifest, tuple(buffer + lost[dtype] for dtype, buffer in buffers))


def feeds_back(encoding: Encoding, manifest: Manifest) -> bool:
    """Whether what was lost is kept: not where nothing is shared, and so nothing sent."""
    return encoding.feedback and bool(manifest.parameters)


def lost_file(directory: Path, round_number: int) -> Path:
    """What was lost of the update of that round."""
    return round_file(directory, LOST, round_number)


def _difference(whole: Parameters, packed: Delta) -> list[np.ndarray]:
    """What the coordinator does not get; exact, since each value is near what becomes of it."""
    lost = [np.empty_like(buffer) for buffer in whole.buffers]
    with np.errstate(invalid="ignore"):  # of values that are not finite, which never count
        for rest, buffer, sent in zip(lost, whole.buffers, packed.buffers, strict=True):
            for start in range(0, buffer.size, _CHUNK):
                part = slice(start, start + _CHUNK)
                np.subtract(buffer[part], sent[part], out=rest[part])
    return lost
