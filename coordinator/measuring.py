"""Having models measured: by auditors beside the rounds, or by those who train, between two rounds."""

from typing import Protocol

from coordinator.attempt import Objection
from coordinator.audits import Audits
from coordinator.effects import Effect
from coordinator.membership import Member, Membership
from coordinator.rounds import Rounds
from coordinator.state import FederationState, Unmeasured
from coordinator.surveys import Surveys
from protocol.messages import EvaluationReport
from protocol.scenario import Scenario


class Measuring(Protocol):
    """``auditor_seen``: whether one has ever joined, in this run as a whole."""

    auditor_seen: bool

    @property
    def outstanding(self) -> tuple[Unmeasured, ...]:
        """Rounds whose model is still to be measured, ascending; those being measured included."""
        ...

    def due(self, number: int) -> bool:
        """Whether the model after that round is to be measured."""
        ...

    def completed(self, number: int) -> None:
        """The model of that round exists (0: the initial one)."""
        ...

    def assign(self, now: float) -> list[Effect]:
        """Ask those who are there and not at it for what is to be measured."""
        ...

    def release(self, name: str) -> None:
        """Who has this name is gone, or has started anew: what it was asked for, it does not know of."""
        ...

    def between_rounds(self, now: float) -> tuple[list[Effect], bool]:
        """No round is under way. What follows from that, and whether the next may begin."""
        ...

    def objection(self, member: Member, report: EvaluationReport, completed: int) -> Objection | None:
        """What is wrong with a report; changes nothing. ``completed``: the last completed round."""
        ...

    def take(self, member: Member, report: EvaluationReport) -> list[Effect]:
        """A report to which there is no objection."""
        ...

    def give_up(self, number: int, reason: str) -> list[Effect]:
        """The model of that round will not be measured."""
        ...

    def end(self, last_round: int, now: float) -> tuple[list[Effect], bool]:
        """The rounds are over. What follows for the measurements that are outstanding, and whether that is
        the end of them."""
        ...


def open_measuring(
    scenario: Scenario, membership: Membership, rounds: Rounds, state: FederationState
) -> Measuring:
    """Whichever way the scenario wants; ``membership`` and ``rounds`` are only read."""
    if scenario.evaluation.by == "participants":
        return Surveys(scenario, membership, rounds, state)
    return Audits(scenario, membership, state)
