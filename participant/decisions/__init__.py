"""The user's decision logics (paper, "The user's decision logic"), by name."""

from participant.decisions.base import Adaptation, Decision
from participant.decisions.head import FreshHead, Linear
from participant.decisions.matching import Matching, MatchingTuned
from protocol.registry import Registry

__all__ = ["DECISIONS", "Adaptation", "Decision"]

DECISIONS: Registry[type[Decision]] = Registry("decision", "decision.names")
DECISIONS.register("linear")(Linear)
DECISIONS.register("fresh-head")(FreshHead)
DECISIONS.register("matching")(Matching)
DECISIONS.register("matching-tuned")(MatchingTuned)
