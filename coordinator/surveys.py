"""Having a model measured by those who train, each with its own private part, before the next round begins.

A survey decides nothing about training: whom it waits for in vain stays on the roster, and neither what comes
of it nor in which order reaches a model.
"""

from dataclasses import dataclass, field

from coordinator.attempt import Objection
from coordinator.effects import Effect, Send
from coordinator.journal import Evaluated, EvaluationSkipped, RunWaiting
from coordinator.membership import Member, Membership
from coordinator.rounds import Rounds
from coordinator.state import FederationState, Unmeasured
from protocol.messages import Accepted, Evaluate, EvaluationReport
from protocol.scenario import Scenario


@dataclass
class Survey:
    """Of the model after ``round``. ``asked``: who is at it. ``begun``: on the caller's clock, once the
    participants have gathered."""

    round: int
    reported: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    begun: float | None = None
    said_waiting: bool = False


class Surveys:
    """See :class:`coordinator.measuring.Measuring`. Auditors that join are not asked."""

    def __init__(
        self, scenario: Scenario, membership: Membership, rounds: Rounds, state: FederationState
    ) -> None:
        self.auditor_seen = state.auditor_seen
        self._run = state.run
        self._rules = scenario.evaluation
        self._last = scenario.federation.rounds
        self._membership = membership
        self._rounds = rounds
        # The next round begins only when it is over, so there is one at most.
        self._survey: Survey | None = None
        for unmeasured in state.evaluations:
            self._survey = Survey(unmeasured.round, set(unmeasured.reported))
        self._gone: set[str] = set()

    @property
    def outstanding(self) -> tuple[Unmeasured, ...]:
        survey = self._survey
        if survey is None:
            return ()
        return (Unmeasured(round=survey.round, reported=tuple(sorted(survey.reported))),)

    def due(self, number: int) -> bool:
        return self._rules.due(number, self._last)

    def completed(self, number: int) -> None:
        if self.due(number) and (self._survey is None or self._survey.round != number):
            self._survey = Survey(number)

    def assign(self, now: float) -> list[Effect]:
        """Ask all who are there and have neither reported nor been asked."""
        survey = self._survey
        if survey is None or not self._rounds.shares:
            return []  # before the first round nobody is asked until all are there
        idle = [
            member
            for member in self._membership.ready_trainers()
            if member.name not in survey.reported | survey.asked
        ]
        survey.asked |= {member.name for member in idle}
        return [Send(member.peer, self._order(survey, member.name)) for member in idle]

    def release(self, name: str) -> None:
        if self._survey is not None:
            self._survey.asked.discard(name)

    def between_rounds(self, now: float) -> tuple[list[Effect], bool]:
        survey = self._survey
        if survey is None:
            return [], True
        if survey.begun is None:
            survey.begun = now
        awaited, away = self._awaited(survey), self._away()
        if not awaited:
            self._survey = None
            return [], True
        if now - survey.begun > self._rules.deadline_s:
            skipped = self.give_up(survey.round, f"no measurement within {self._rules.deadline_s:g} s")
            self._gone = away & (awaited | self._gone)
            return skipped, True
        if survey.said_waiting or not awaited <= away:
            return [], False
        survey.said_waiting = True
        there = self._membership.trainers_ready
        return [RunWaiting(survey.round, "evaluation", there, len(self._rounds.roster))], False

    def objection(self, member: Member, report: EvaluationReport, completed: int) -> Objection | None:
        if member.auditor:
            return Objection("unexpected", "in this federation those who train measure, not auditors")
        survey = self._survey
        if survey is None or report.round != survey.round:
            if report.round <= completed and self.due(report.round):
                return Objection("late", f"the measuring of round {report.round} is over")
            return Objection("unexpected", f"no evaluation of round {report.round} is outstanding")
        if member.name in survey.reported:
            return Objection("duplicate", f"{member.name} has measured round {report.round}")
        if member.name not in survey.asked:
            return Objection("unexpected", f"{member.name} was not asked to measure round {report.round}")
        return None

    def take(self, member: Member, report: EvaluationReport) -> list[Effect]:
        assert self._survey is not None
        self._survey.asked.discard(member.name)
        self._survey.reported.add(member.name)
        return [
            *(Evaluated.of(measurement, report, member.name) for measurement in report.measurements),
            Send(member.peer, Accepted(run=self._run, round=report.round)),
        ]

    def give_up(self, number: int, reason: str) -> list[Effect]:
        survey, self._survey = self._survey, None
        awaited = self._awaited(survey) if survey is not None else set()
        return [EvaluationSkipped(number, reason, name) for name in sorted(awaited)]

    def end(self, last_round: int, now: float) -> tuple[list[Effect], bool]:
        return [], True  # the survey of the last round was over before the rounds were

    def _awaited(self, survey: Survey) -> set[str]:
        """Who has not reported and has not left. Who is away is expected back, like in a round; but who did
        not come back for a whole survey is not awaited in later ones, until it is there again."""
        return self._rounds.roster - survey.reported - (self._gone & self._away())

    def _away(self) -> set[str]:
        return self._rounds.roster - {member.name for member in self._membership.ready_trainers()}

    def _order(self, survey: Survey, name: str) -> Evaluate:
        return Evaluate(
            run=self._run,
            round=survey.round,
            share=self._rounds.share_of(name),
            previous=self._rounds.previous.get(name, 0),
        )
