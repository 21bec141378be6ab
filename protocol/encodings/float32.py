"""The values as they are: no bit is lost. The default."""

from collections.abc import Sequence

from protocol.encodings.base import ENCODINGS, Frame
from protocol.manifest import Manifest, Parameters


@ENCODINGS.register("float32")
class Exact:
    feedback = False

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.sizes = manifest.buffer_sizes

    def encode(self, delta: Parameters) -> Parameters:
        return delta

    def decode(self, frames: Sequence[Frame]) -> Parameters:
        """Raises ValueError for other sizes."""
        return Parameters.from_frames(self._manifest, frames)
