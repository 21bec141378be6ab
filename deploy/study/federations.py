"""What the experiments' federations are made of: settings of scenarios by dotted key, and how they branch
off a pre-training. What an experiment varies is in :mod:`deploy.study.experiments`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from deploy.study.sizes import Size
from protocol.scenario import Scenario, SplitSizes
from protocol.split import classes_needed

Settings = Mapping[str, Any]
NONE: Settings = MappingProxyType({})

LINEAR: Settings = {"model.shared": "all", "learning.algorithm": "reptile"}
MATCHING: Settings = {"model.shared": "features", "learning.algorithm": "matching"}

# An attacker of each kind. The plain one poisons the head that users adapt; the adaptive one knows that
# there is no head, and moves features.
PLAIN: Settings = {"attack.name": "poisoned_adaptation", "attack.steps": 1000}
ADAPTIVE: Settings = {"attack.name": "feature_collision"}
NAIVE: Settings = {**ADAPTIVE, "attack.steps": 1000}  # as long as the one who transfers
TRANSFER: Settings = {**ADAPTIVE, "attack.transfer": True, "attack.steps": 1000}
# One who attacks in many rounds gets on with fewer steps, and fewer imagined users, in each.
PATIENT: Settings = {"attack.steps": 100, "attack.imagined": 4}
# What an attacker who knows of a norm bound submits: as much as benign participants do.
AWARE: Settings = {**ADAPTIVE, "attack.norm": 0.6}

# A rule holds from the first round on: a defence is not switched on for the attack.
AGGREGATIONS: Mapping[str, Settings] = {
    "mean": NONE,
    "norm-bound": {"federation.aggregation": "norm-bound", "federation.norm_bound": "median"},
    "coordinate-median": {"federation.aggregation": "coordinate-median"},
}

BLOCKS = 4
WAY = 5


@dataclass(frozen=True)
class Data:
    """What a plan needs to know of a data set: how many classes it has, by group where it has groups of its
    own (``train``, ``validation``, ``test``)."""

    name: str
    classes: int
    groups: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Pretraining:
    """Federated training that branches share. ``private``: many participants measure for themselves."""

    name: str
    settings: Settings
    private: bool = False

    def rounds(self, size: Size) -> int:
        if self.private:
            return size.many_pretraining
        return size.pretraining if self.settings["model.shared"] == "all" else size.matching_pretraining


@dataclass(frozen=True)
class Branch:
    """A federation that goes on from a pre-training: the attack in the rounds right after it, then benign
    rounds. ``attacks``: in how many rounds (0: nobody attacks); ``attackers``: how many participants, or a
    quarter of them. ``measured``: benign rounds after the attack; ``before``: also before it.
    ``name`` is unique and begins the run's directory."""

    name: str
    pretraining: Pretraining
    settings: Settings
    measured: tuple[int, ...]
    attacks: int = 1
    attackers: int | Literal["quarter"] = 1
    before: bool = True
    factors: Mapping[str, str] = field(default_factory=dict)


LINEAR_PRETRAINING = Pretraining("linear", LINEAR)
# The control of every defence: nothing is shared, so each measures for itself.
ALONE_PRETRAINING = Pretraining("alone", {**MATCHING, "model.shared": 0, "evaluation.by": "participants"})


def matching_pretraining(aggregation: str) -> Pretraining:
    """Without a head, under one of the :data:`AGGREGATIONS`."""
    return Pretraining(_named("matching", aggregation), {**MATCHING, **AGGREGATIONS[aggregation]})


def depth_pretraining(depth: int, aggregation: str) -> Pretraining:
    """Of many participants that share the first ``depth`` blocks; with all of them, the features."""
    settings = {**MATCHING, "model.shared": "features" if depth == BLOCKS else depth}
    name = _named(f"depth-{depth}", aggregation)
    return Pretraining(name, {**settings, **AGGREGATIONS[aggregation]}, private=True)


def _named(name: str, aggregation: str) -> str:
    return name if aggregation == "mean" else f"{name}-{aggregation}"


def pretraining_scenario(pretraining: Pretraining, data: Data, size: Size, seed: int) -> Scenario:
    """Nobody attacks; the last model is measured, so that its quality is on record."""
    rounds = pretraining.rounds(size)
    decision = "linear" if pretraining.settings["model.shared"] == "all" else "matching"
    return scenario_of(
        {
            **_common(pretraining, data, size, seed),
            "federation.rounds": rounds,
            "decision.names": [decision],
            "evaluation.episodes": size.private if pretraining.private else size.curve,
        }
    )


def branch_scenario(branch: Branch, data: Data, size: Size, seed: int) -> Scenario:
    """Rounds go on counting from the pre-training's; measured before the attack, right after, and later."""
    before = branch.pretraining.rounds(size)
    last_attack = before + max(1, branch.attacks)
    rounds = {*((before,) if branch.before else ()), *(last_attack + number for number in branch.measured)}
    if branch.attacks > 1:
        rounds.add(before + branch.attacks // 2)
    common = _common(branch.pretraining, data, size, seed)
    participants = common["federation.participants"]
    return scenario_of(
        {
            **common,
            "attack.participants": participants // 4 if branch.attackers == "quarter" else branch.attackers,
            **({"attack.rounds": [*range(before + 1, last_attack + 1)]} if branch.attacks else {}),
            "federation.rounds": max(rounds),
            "evaluation.rounds": sorted(rounds),
            **branch.settings,
        }
    )


def _common(pretraining: Pretraining, data: Data, size: Size, seed: int) -> dict[str, Any]:
    participants = many_participants(data, size) if pretraining.private else 4
    return {
        "federation.seed": seed,
        "federation.participants": participants,
        "federation.selected": participants,
        "federation.min_updates": participants,
        "federation.server_rate.initial": 1.0,
        "federation.server_rate.final": 0.0,
        "federation.server_rate.decay_rounds": pretraining.rounds(size),
        "federation.server_rate.after": 0.3,
        # Private states of all rounds since the checkpoint before the last are kept, by each participant.
        "federation.checkpoint_every": 10 if pretraining.private else 100,
        "task.dataset": data.name,
        "task.way": WAY,
        "task.shots": [5],
        **_classes(pretraining, data, size),
        **_split(data),
        **_OF_DATA.get(data.name, NONE),
        **({"evaluation.by": "participants"} if pretraining.private else {}),
        **pretraining.settings,
    }


# Reptile's published settings for it (arXiv 1803.02999, table 3).
_OF_DATA: dict[str, Settings] = {
    "mini_imagenet": {
        "model.name": "conv4-pool",
        "learning.inner_steps": 8,
        "learning.train_shots": 15,
    },
}
STROKES_CLASSES = 400


def _classes(pretraining: Pretraining, data: Data, size: Size) -> dict[str, Any]:
    if data.name != "strokes":
        return {}
    held_out = _held_out(SplitSizes())
    many = size.many_participants * size.many_classes + held_out
    return {"task.classes": min(data.classes, many if pretraining.private else STROKES_CLASSES)}


def many_participants(data: Data, size: Size) -> int:
    """As many as the training classes allow at one more than an episode's each, and at least four."""
    train = data.groups["train"] if data.groups else data.classes - _held_out(split_sizes(data))
    return max(4, min(size.many_participants, train // (WAY + 1)))


def split_sizes(data: Data) -> SplitSizes:
    """The usual ones; of a data set with groups of its own, what they have room for."""
    usual = SplitSizes()
    if data.groups is None:
        return usual
    attack = usual.backdoor + usual.target
    return SplitSizes(
        test=max(WAY, min(usual.test, data.groups["test"] - attack)),
        validation=max(1, min(usual.validation, data.groups["validation"])),
    )


def _split(data: Data) -> dict[str, Any]:
    return {f"task.split.{purpose}": count for purpose, count in split_sizes(data).model_dump().items()}


def _held_out(sizes: SplitSizes) -> int:
    return sizes.test + sizes.validation + sizes.backdoor + sizes.target


def shortage(data: Data, participants: int) -> str | None:
    """Why the data have too few classes for so many participants: how many are needed and how many there
    are. None where they suffice."""
    sizes = split_sizes(data)
    need = {
        "train": participants * WAY,
        "validation": sizes.validation,
        "test": sizes.test + sizes.backdoor + sizes.target,
    }
    have = data.groups or {}
    for group, needed in need.items() if data.groups else ():
        if have.get(group, 0) < needed:
            return f"{data.name} has {have.get(group, 0)} {group} classes, and {needed} are needed"
    needed, words = classes_needed(sizes, participants, WAY)
    if data.groups is None and data.classes < needed:
        return f"{data.name} has {data.classes} classes, and {words}"
    return None


def scenario_of(settings: Settings) -> Scenario:
    """The scenario with these values by dotted key, all else by default."""
    document: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, leaf = key.split(".")
        table = document
        for section in sections:
            table = table.setdefault(section, {})
        table[leaf] = value
    return Scenario.model_validate(document)
