"""Attacks by name. An attack is what a malicious participant trains instead of a benign round."""

from participant.attacks.base import Attack, AttackerData
from participant.attacks.feature_collision import feature_collision
from participant.attacks.poisoned_adaptation import poisoned_adaptation
from participant.attacks.poisoned_episode import poisoned_episode
from protocol.registry import Registry

__all__ = ["ATTACKS", "Attack", "AttackerData"]

ATTACKS: Registry[Attack] = Registry("attack", "attack.name")
ATTACKS.register("poisoned_episode")(poisoned_episode)
ATTACKS.register("poisoned_adaptation")(poisoned_adaptation)
ATTACKS.register("feature_collision")(feature_collision)
