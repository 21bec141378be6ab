"""How far a run is, and how long the rest of it will take: what it was predicted to cost, on a machine that
is as fast as it was so far. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from coordinator.reading.cost import Cost, cost_of, due_rounds
from coordinator.reading.history import RunHistory
from coordinator.reading.views import phase
from protocol.scenario import Scenario

TYPICAL_OF = 50


@dataclass(frozen=True)
class Standing:
    """``what`` is being done, in words; ``behind`` of ``total``: predicted seconds; ``left``: seconds until
    the end, None before a round is complete and where nobody is there to go on."""

    what: str
    behind: float
    total: float
    left: float | None = None
    measuring: bool = False


@dataclass(frozen=True)
class _Done:
    """Complete rounds and attack rounds, and models that were measured or given up; ``missing``: models that
    could have been measured by now."""

    last: int
    rounds: int
    attacks: int
    measured: int
    missing: int


def standing(history: RunHistory, scenario: Scenario, now: datetime) -> Standing:
    """``now``: by the clock of the journal, which does not show for how long something has been going on."""
    cost = cost_of(scenario, history.info.start_round)
    done = _done(history, scenario)
    behind = cost.done(done.rounds, done.attacks, done.measured)
    if not history.rounds:
        return Standing("waiting for participants", behind, cost.total)
    if done.last >= scenario.federation.rounds and done.missing and history.info.status == "running":
        if not _somebody_measures(history, scenario, now_there=True):
            return Standing("waiting for an auditor", behind, cost.total)
        left = _left(history, scenario, cost, done, now)
        return Standing("the last measurements", behind, cost.total, left, measuring=True)
    what = phase(history.rounds[-1].number, scenario.attack.rounds)
    return Standing(what, behind, cost.total, _left(history, scenario, cost, done, now))


def _done(history: RunHistory, scenario: Scenario) -> _Done:
    first = history.info.start_round
    last = history.completed[-1].number if history.completed else first
    measured = {evaluation.round for evaluation in history.evaluations}
    measured |= {skipped.round for skipped in history.skipped if skipped.participant is None}
    due = due_rounds(scenario.evaluation, first, last, scenario.federation.rounds)
    return _Done(
        last=last,
        rounds=last - first,
        attacks=sum(first < number <= last for number in scenario.attack.rounds),
        measured=len(measured),
        missing=max(0, due - len(measured)),
    )


def _somebody_measures(history: RunHistory, scenario: Scenario, *, now_there: bool = False) -> bool:
    if scenario.evaluation.by == "participants":
        return True
    return any(p.auditor and (p.presence == "alive" or not now_there) for p in history.participants)


def _left(history: RunHistory, scenario: Scenario, cost: Cost, done: _Done, now: datetime) -> float | None:
    speed = _speed(history, frozenset(scenario.attack.rounds), cost)
    if speed is None or history.info.last_event is None:
        return None
    # What nobody is there to measure takes no time.
    to_measure = cost.evaluations - done.measured if _somebody_measures(history, scenario) else 0
    left = speed.round * (scenario.federation.rounds - done.last)
    left += speed.attack * (cost.attacks - done.attacks) + speed.measurement * max(0, to_measure)
    # An auditor measures beside the rounds, participants between them.
    alone = scenario.evaluation.by == "participants" or done.last >= scenario.federation.rounds
    if done.missing and alone and history.rounds[-1].completion:
        in_progress = speed.measurement
    else:
        in_progress = speed.round + speed.attack * (done.last + 1 in scenario.attack.rounds)
    going_on = max(0.0, (now - history.info.last_event).total_seconds())
    return max(0.0, left - min(going_on, in_progress))


@dataclass(frozen=True)
class _Speed:
    """Seconds of a round without an attack, of an attack on top of it, and of measuring a model."""

    round: float
    attack: float
    measurement: float


def _speed(history: RunHistory, attacks: Collection[int], cost: Cost) -> _Speed | None:
    """What is not known is as predicted, times how much slower than predicted the rounds are; where it was
    measured, that counts as one measurement. Medians, since one may have waited for somebody; of a round that
    of the last ones, of the machine that of all, since rounds beside which something is measured are slower.
    """
    seconds = {r.number: r.completion.seconds for r in history.completed if r.completion}
    if not seconds:
        return None
    quiet = [lasted for number, lasted in seconds.items() if number not in attacks]
    attacked = [lasted for number, lasted in seconds.items() if number in attacks]
    slower = median(quiet) / cost.round if quiet else median(attacked) / (cost.round + cost.attack)
    typical = median(quiet[-TYPICAL_OF:]) if quiet else slower * cost.round
    measured = {e.round: e.seconds for e in history.evaluations if e.seconds is not None}
    return _Speed(
        round=typical,
        attack=median([slower * cost.attack, *(max(0.0, lasted - typical) for lasted in attacked)]),
        measurement=median([slower * cost.evaluation, *measured.values()]),
    )
