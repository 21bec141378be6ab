"""The model of a federation: networks by name, which of their parameters are shared, and θ_0."""

from typing import Protocol

import torch
from torch import Tensor, nn

from protocol.errors import UsageProblem
from protocol.manifest import DType, Manifest, Parameters, ParameterSpec
from protocol.models.conv4 import conv4, conv4_pool
from protocol.models.network import FewShotNetwork
from protocol.registry import Registry
from protocol.scenario import Scenario
from protocol.seeds import derive_seed


class NetworkFactory(Protocol):
    """Makes a network; weights are drawn from ``generator`` alone."""

    def __call__(self, *, way: int, channels: int, generator: torch.Generator) -> FewShotNetwork: ...


MODELS: Registry[NetworkFactory] = Registry("model", "model.name")
MODELS.register("conv4")(conv4)
MODELS.register("conv4-pool")(conv4_pool)

_IMAGES = {"strokes": (1, 28), "omniglot": (1, 28), "mini_imagenet": (3, 84)}
_DTYPES: dict[torch.dtype, DType] = {
    torch.float16: "float16",
    torch.float32: "float32",
    torch.float64: "float64",
}


def image_shape(scenario: Scenario) -> tuple[int, int]:
    """(channels, height = width) of the scenario's images."""
    return _IMAGES.get(scenario.task.dataset, (scenario.task.channels, scenario.task.image_size))


def build_network(scenario: Scenario, *purpose: str | int) -> FewShotNetwork:
    """The scenario's network on the CPU, its weights drawn for (seed, purpose).

    Raises :class:`UsageProblem` when no model has that name or it has fewer blocks than are to be shared.
    """
    generator = torch.Generator().manual_seed(derive_seed(scenario.federation.seed, *purpose))
    channels, size = image_shape(scenario)
    factory = MODELS.get(scenario.model.name)
    network = factory(way=scenario.task.way, channels=channels, generator=generator)
    with torch.no_grad():
        try:
            network(torch.zeros(2, channels, size, size))
        except RuntimeError as error:
            raise UsageProblem(
                f"model.name = {scenario.model.name!r} does not take images of {channels}x{size}x{size}; "
                f"there are: {', '.join(MODELS.names())}"
            ) from error
    return network


def shared_names(network: FewShotNetwork, shared: str | int) -> tuple[str, ...]:
    """Names of the shared parameters: all, the features (every block, no head), or the first d blocks.

    Raises :class:`UsageProblem` when the network has fewer than d blocks.
    """
    names = tuple(name for name, _ in network.named_parameters())
    if shared == "all":
        return names
    depth = len(network.blocks) if shared == "features" else int(shared)
    if depth > len(network.blocks):
        raise UsageProblem(f"model.shared = {depth}, but the network has {len(network.blocks)} blocks")
    prefixes = tuple(f"blocks.{index}." for index in range(depth))
    return tuple(name for name in names if name.startswith(prefixes))


def manifest_of(network: FewShotNetwork, shared: str | int) -> Manifest:
    """The manifest of the shared parameters, in the network's own order."""
    values = dict(network.named_parameters())
    return Manifest(
        parameters=tuple(
            ParameterSpec(name=name, shape=tuple(values[name].shape), dtype=_DTYPES[values[name].dtype])
            for name in shared_names(network, shared)
        )
    )


def initial_parameters(scenario: Scenario) -> Parameters:
    """θ_0: a function of the scenario's seed and model alone."""
    network = build_network(scenario, "model")
    return read_parameters(network, manifest_of(network, scenario.model.shared))


def read_parameters(network: nn.Module, manifest: Manifest) -> Parameters:
    """The network's values of the manifest's parameters, copied to the CPU."""
    values = dict(network.named_parameters())
    arrays = {spec.name: values[spec.name].detach().cpu().numpy() for spec in manifest.parameters}
    return Parameters.from_arrays(manifest, arrays)


def write_parameters(network: nn.Module, parameters: Parameters) -> None:
    """Copy the parameters into the network, wherever it is."""
    values: dict[str, Tensor] = dict(network.named_parameters())
    with torch.no_grad():
        for name, array in parameters.arrays().items():
            # A received buffer is read-only; torch only reads it here, but warns unless told so by a copy.
            values[name].copy_(torch.tensor(array))
