"""The values as they are: no bit is lost. The default."""

from collections.abc import Sequence

from protocol.encodings.base import ENCODINGS, Read, as_it_is, check_sizes
from protocol.manifest import Manifest, Parameters
from protocol.pieces import Buffer


@ENCODINGS.register("float32")
class Exact:
    feedback = False

    def __init__(self, manifest: Manifest) -> None:
        self._dtypes = manifest.dtypes
        self.sizes = manifest.buffer_sizes

    def encode(self, delta: Parameters) -> Parameters:
        return delta

    def decode(self, buffers: Sequence[Buffer]) -> Read:
        """Raises ValueError for other sizes."""
        check_sizes(buffers, self.sizes)
        return Read(tuple(as_it_is(*each) for each in zip(buffers, self._dtypes, strict=True)))
