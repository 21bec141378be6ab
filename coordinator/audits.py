"""Having models measured by auditors, beside the rounds, and how long the end of a run waits for it."""

from coordinator.attempt import Objection
from coordinator.effects import Effect, Send
from coordinator.evaluations import Evaluations
from coordinator.journal import Evaluated, EvaluationSkipped, RunWaiting
from coordinator.membership import Member, Membership
from coordinator.state import FederationState, Unmeasured
from protocol.messages import Accepted, Evaluate, EvaluationReport, RejectReason
from protocol.scenario import Scenario


class Audits:
    """See :class:`coordinator.measuring.Measuring`. Never holds up a round."""

    def __init__(self, scenario: Scenario, membership: Membership, state: FederationState) -> None:
        self.auditor_seen = state.auditor_seen
        self._evaluations = Evaluations(unmeasured.round for unmeasured in state.evaluations)
        self._run = state.run
        self._rules = scenario.evaluation
        self._last = scenario.federation.rounds
        self._membership = membership
        self._alone_since: float | None = None
        self._said_waiting = False

    @property
    def outstanding(self) -> tuple[Unmeasured, ...]:
        return tuple(Unmeasured(round=number) for number in self._evaluations.outstanding)

    def due(self, number: int) -> bool:
        return self._rules.due(number, self._last)

    def completed(self, number: int) -> None:
        if self.due(number):
            self._evaluations.add(number)

    def assign(self, now: float) -> list[Effect]:
        """Give what is to be measured to those who are idle."""
        if not self._evaluations.outstanding:
            return []
        peers = {auditor.name: auditor.peer for auditor in self._membership.ready_auditors()}
        return [
            Send(peers[name], Evaluate(run=self._run, round=number))
            for name, number in self._evaluations.assign(list(peers), now)
        ]

    def release(self, name: str) -> None:
        self._evaluations.release(name)

    def between_rounds(self, now: float) -> tuple[list[Effect], bool]:
        return [], True

    def objection(self, member: Member, report: EvaluationReport, completed: int) -> Objection | None:
        if not member.auditor:
            return Objection("unexpected", f"{member.name} is no auditor")
        if report.round == self._evaluations.assigned(member.name):
            return None
        if report.round in self._evaluations.outstanding:
            return Objection("unexpected", f"{member.name} was not asked to measure round {report.round}")
        reason: RejectReason = (
            "duplicate" if report.round <= completed and self.due(report.round) else "unexpected"
        )
        return Objection(reason, f"no evaluation of round {report.round} is outstanding")

    def take(self, member: Member, report: EvaluationReport) -> list[Effect]:
        self._evaluations.settle(report.round)
        return [
            *(Evaluated.of(measurement, report, member.name) for measurement in report.measurements),
            Send(member.peer, Accepted(run=self._run, round=report.round)),
        ]

    def give_up(self, number: int, reason: str) -> list[Effect]:
        self._evaluations.settle(number)
        return [EvaluationSkipped(number, reason)]

    def end(self, last_round: int, now: float) -> tuple[list[Effect], bool]:
        """Each measurement may take ``deadline_s``, and one that left may stay away for as long."""
        outstanding = self._evaluations.outstanding
        if not outstanding:
            return [], True
        there, patience_s = len(self._membership.ready_auditors()), self._rules.deadline_s
        if not self.auditor_seen:
            reason = "no auditor has joined"
        elif self._evaluations.under_way(now, patience_s):
            self._alone_since = None
            return [], False
        elif there:
            reason = f"no measurement within {patience_s:g} s"
        else:
            self._alone_since = now if self._alone_since is None else self._alone_since
            if now - self._alone_since <= patience_s:
                return self._waiting(last_round), False
            reason = f"no auditor for {patience_s:g} s"
        return [effect for number in outstanding for effect in self.give_up(number, reason)], True

    def _waiting(self, last_round: int) -> list[Effect]:
        """Said once, whoever comes and goes meanwhile."""
        said, self._said_waiting = self._said_waiting, True
        return [] if said else [RunWaiting(last_round, "auditor", 0, 1)]
