"""What a reader wants to know of a history, computed: nothing here prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from coordinator.reading.history import Evaluation, Round, RunHistory
from protocol.scenario import Scenario

TYPICAL_OF = 50


def relative_label(number: int, attacks: Sequence[int]) -> str:
    """Where a round lies in relation to the attack, in words; ``attacks``: the scenario's attack rounds."""
    if not attacks:
        return "initial model" if number == 0 else f"after round {number}"
    first, last = min(attacks), max(attacks)
    if number < first:
        return "before the attack"
    if number < last:
        done = sum(attack <= number for attack in attacks)
        return f"during the attack ({done} of {len(attacks)})"
    if number == last:
        return "right after it"
    return f"+{number - last} benign round{'s' if number - last > 1 else ''}"


def as_played(scenario: Scenario, roles: Mapping[str, str]) -> Scenario:
    """Without an attack where it is known that nobody was malicious, whatever the scenario had planned."""
    if not roles or "malicious" in roles.values():
        return scenario
    return scenario.model_copy(update={"attack": scenario.attack.model_copy(update={"rounds": ()})})


def phase(number: int, attacks: Sequence[int]) -> str:
    """What the run is doing in a round: one word or two."""
    if not attacks:
        return "training"
    if number in attacks:
        return "attack"
    if number < min(attacks):
        return "pre-training"
    return "benign rounds after the attack" if number > max(attacks) else "benign round between attacks"


def condensed(rounds: Sequence[Round], evaluated: frozenset[int], limit: int) -> tuple[Round, ...]:
    """At most about ``limit`` rounds: first and last, the remarkable ones (evaluated, retried, with
    rejections or updates missing), and every n-th of the others."""
    if len(rounds) <= limit:
        return tuple(rounds)
    remarkable = {
        i
        for i, round_ in enumerate(rounds)
        if i in (0, len(rounds) - 1) or round_.number in evaluated or _went_wrong(round_)
    }
    # A run in which everything went wrong is thinned out as well.
    every = max(1, -(-len(remarkable) // limit))
    kept = {i for n, i in enumerate(sorted(remarkable)) if n % every == 0 or rounds[i].number in evaluated}
    step = -(-len(rounds) // max(1, limit - len(kept)))
    return tuple(
        round_ for i, round_ in enumerate(rounds) if i in kept or i % step == 0 or i == len(rounds) - 1
    )


def _went_wrong(round_: Round) -> bool:
    missing = round_.completion is not None and round_.completion.received < len(round_.selected)
    return bool(round_.retries or round_.rejections or missing)


@dataclass(frozen=True)
class Record:
    """A participant's part in the completed and running rounds; ``last_norm`` is of its last update."""

    selected: int
    accepted: int
    rejected: int
    last_round: int | None
    last_norm: float | None
    median_seconds: float | None


def record_of(name: str, rounds: Sequence[Round]) -> Record:
    """What the rounds say about a participant."""
    updates = [(round_.number, u) for round_ in rounds for u in round_.updates if u.participant == name]
    return Record(
        selected=sum(name in round_.selected for round_ in rounds),
        accepted=len(updates),
        rejected=sum(r.participant == name for round_ in rounds for r in round_.rejections),
        last_round=updates[-1][0] if updates else None,
        last_norm=updates[-1][1].norm if updates else None,
        median_seconds=median(update.seconds for _, update in updates) if updates else None,
    )


def seconds_left(history: RunHistory, last_round: int) -> float | None:
    """From the typical length of the last rounds; None before the first is complete."""
    completed = history.completed
    if not completed:
        return None
    typical = median(r.completion.seconds for r in completed[-TYPICAL_OF:] if r.completion)
    return typical * max(0, last_round - completed[-1].number)


def newest_evaluations(history: RunHistory) -> tuple[Evaluation, ...]:
    """Those of the latest evaluated round."""
    newest = max((evaluation.round for evaluation in history.evaluations), default=None)
    return tuple(evaluation for evaluation in history.evaluations if evaluation.round == newest)
