"""What is not shared: a participant's own parameters, kept on disk by the round that made them.

A round starts from the state of the last round that counted, so that being asked twice, a retried round, or
a coordinator that resumes from an older checkpoint all give the same update.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from participant.round_files import forget, round_file
from protocol.errors import RunFailed
from protocol.files import write_whole
from protocol.manifest import Manifest

PRIVATE = "private"


class PrivateState:
    """Does nothing, and writes nothing, when all parameters are shared."""

    def __init__(self, network: nn.Module, manifest: Manifest, directory: Path) -> None:
        shared = {spec.name for spec in manifest.parameters}
        self._own = {name: value for name, value in network.named_parameters() if name not in shared}
        self._first = {name: value.detach().clone() for name, value in self._own.items()}
        self._start = self._first
        self._directory = directory

    def restore(self, round_number: int, keep_from: int) -> None:
        """Put the state after ``round_number`` (0: the first draw) into the network; states of rounds before
        ``keep_from`` are deleted. Raises :class:`RunFailed` when the state is not there or damaged."""
        if not self._own:
            return
        values = self._first
        if round_number:
            path = private_file(self._directory, round_number)
            try:
                values = load_file(path)
            except (OSError, SafetensorError) as error:
                raise RunFailed(
                    f"{path}: this participant's own parameters cannot be read: {error}"
                ) from error
        for name, value in self._own.items():
            value.data.copy_(values[name])
        self._start = {name: value.detach().clone() for name, value in self._own.items()}
        forget(self._directory, PRIVATE, keep_from)

    def keep(self, round_number: int, rate: float) -> None:
        """Write the state after ``round_number``: ``rate`` of the way from where the round started to where
        it ended, as the server takes it with what is shared. Else who shares less would differ in its
        learning rate as well. Raises :class:`RunFailed` when the disk refuses it."""
        if self._own:
            values = {
                name: torch.lerp(self._start[name], value.detach(), rate).cpu().contiguous()
                for name, value in self._own.items()
            }
            write_whole(private_file(self._directory, round_number), save(values))


def private_file(directory: Path, round_number: int) -> Path:
    """The state after that round."""
    return round_file(directory, PRIVATE, round_number)
