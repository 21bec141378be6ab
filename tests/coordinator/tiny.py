"""A federation small enough for tests: a model of three numbers, and updates that are a function of names."""

import hashlib

import numpy as np

from protocol.manifest import Manifest, Parameters, ParameterSpec
from protocol.messages import BackdoorAccuracy, Interval, Measurement
from protocol.scenario import Scenario
from protocol.seeds import generator
from protocol.split import ClassSplit

MANIFEST = Manifest(
    parameters=(
        ParameterSpec(name="weight", shape=(2, 3)),
        ParameterSpec(name="scale", shape=(2,), dtype="float64"),
    )
)
SPLIT = ClassSplit(
    train=("a", "b"), validation=("c",), test=("d", "g", "h", "i", "j"), backdoor=("e",), target=("f",)
)
_INTERVAL = Interval(mean=0.5, ci95=0.1, episodes=10)
MEASUREMENT = Measurement(
    decision="linear", shot=5, adaptation_steps=50, backdoor_in_support=False, transductive=False,
    main_accuracy=_INTERVAL,
    backdoor_accuracy=BackdoorAccuracy(attack_train=_INTERVAL, attack_validation=_INTERVAL),
)  # fmt: skip


def scenario(**federation: object) -> Scenario:
    """Four participants, all selected, three needed; values of ``[federation]`` can be given."""
    settings = {
        "seed": 1, "rounds": 3, "participants": 4, "selected": 4, "min_updates": 3,
        "round_deadline_s": 60.0, "checkpoint_every": 2, **federation,
    }  # fmt: skip
    sizes = {purpose: len(names) for purpose, names in SPLIT if purpose != "train"}
    return Scenario.model_validate({"federation": settings, "task": {"split": sizes}})


def initial_parameters(scenario: Scenario) -> Parameters:
    """None at all, where the scenario shares none."""
    if scenario.model.shared == 0:
        return values(scenario.federation.seed, manifest=Manifest(parameters=()))
    return values(scenario.federation.seed, "initial")


def update(name: str, round_number: int, manifest: Manifest = MANIFEST) -> Parameters:
    """δ of a participant in a round, always the same."""
    return values(0, name, round_number, manifest=manifest)


def values(seed: int, *purpose: str | int, manifest: Manifest = MANIFEST) -> Parameters:
    draw = generator(seed, *purpose)
    return Parameters.from_arrays(
        manifest, {spec.name: draw.normal(size=spec.shape) for spec in manifest.parameters}
    )


def parameters_of(value: float) -> Parameters:
    """All values the same."""
    return Parameters.from_arrays(
        MANIFEST, {spec.name: np.full(spec.shape, value) for spec in MANIFEST.parameters}
    )


def peer_of(name: str, connection: int = 0) -> bytes:
    """A routing id as libzmq could draw it for one connection of a participant."""
    return hashlib.blake2b(f"{name}/{connection}".encode(), digest_size=5).digest()


__all__ = [
    "MANIFEST",
    "MEASUREMENT",
    "SPLIT",
    "initial_parameters",
    "parameters_of",
    "peer_of",
    "scenario",
    "update",
    "values",
]
