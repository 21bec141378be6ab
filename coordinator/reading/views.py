"""What a reader wants to know of a history, computed: nothing here prints."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from coordinator.reading.history import Evaluation, Movement, Round, RunHistory
from protocol.scenario import Scenario

COMPARABLE = 3  # updates a round must have before one of them can stand out
OUTLIER = 2.0  # times the median of the others in the round: what stands out


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


MEASUREMENTS_ONLY = "only measurements are here, as in a study's archive: no rounds, no updates, no losses"


def phase(number: int, attacks: Sequence[int]) -> str:
    """What the run is doing in a round: one word or two."""
    if not attacks:
        return "training"
    if number in attacks:
        return "attack"
    if number < min(attacks):
        return "pre-training"
    return "benign rounds after the attack" if number > max(attacks) else "benign round between attacks"


def times_others(round_: Round) -> list[float | None]:
    """The norm of each update over the median of the others' in its round; None where too few came."""
    ordered = sorted(update.norm for update in round_.updates)
    others = len(ordered) - 1

    def times(norm: float) -> float | None:
        if len(ordered) < COMPARABLE:
            return None
        place = bisect_left(ordered, norm)
        middle = [ordered[i + (i >= place)] for i in ((others - 1) // 2, others // 2)]
        typical = sum(middle) / 2
        return norm / typical if typical > 0 else None

    return [times(update.norm) for update in round_.updates]


def remarks(
    history: RunHistory, attacks: Collection[int] = (), name: str | None = None
) -> dict[int, list[str]]:
    """What there is to say of rounds beside their counts, in a few words: that the attack was in them, that
    a norm sticks out, who was lost and who joined again. ``name``: of one participant only."""
    found: dict[int, list[str]] = {}
    for round_ in history.rounds:
        norms = zip(round_.updates, times_others(round_), strict=True)
        loudest = max((times or 0.0 for u, times in norms if name in (None, u.participant)), default=0.0)
        said = ["attack"] if round_.number in attacks else []
        said += [f"norm ×{loudest:.3g}"] if loudest >= OUTLIER else []
        if said:
            found[round_.number] = said
    moves: dict[tuple[int, str], int] = {}
    for number, participant, what in comings(history):
        if name in (None, participant):
            moves[number, what] = moves.get((number, what), 0) + 1
    for (number, what), count in moves.items():
        found.setdefault(number, []).append(f"{count} {what}" if name is None else what)
    return found


def comings(history: RunHistory) -> Iterator[tuple[int, str, str]]:
    """Round, participant and what: lost, or joined again. What a restart of the coordinator does to everybody
    is left out."""
    last: dict[str, Movement] = {}
    for move in history.movements:
        before = last.get(move.participant)
        if move.kind == "lost" and move.reason != "restart":
            yield move.round, move.participant, "lost"
        elif move.kind == "joined" and before and before.reason != "restart":
            yield move.round, move.participant, "joined again"
        if move.kind != "refused":
            last[move.participant] = move


def condensed(
    rounds: Sequence[Round],
    limit: int,
    *,
    evaluated: Collection[int] = (),
    attacks: Collection[int] = (),
    remarkable: Collection[int] = (),
) -> tuple[Round, ...]:
    """At most about ``limit`` rounds: first and last, those evaluated, those of the attack, other remarkable
    ones (retried and with rejections or updates missing among them), and every n-th of the others."""
    if len(rounds) <= limit:
        return tuple(rounds)
    kept = {i for i, round_ in enumerate(rounds) if round_.number in evaluated} | {0, len(rounds) - 1}
    # An attack of many rounds is thinned out, and so is a run in which everything went wrong.
    kept |= _thinned([i for i, round_ in enumerate(rounds) if round_.number in attacks], limit // 2)
    special = [i for i, one in enumerate(rounds) if one.number in remarkable or went_wrong(one)]
    kept |= _thinned([i for i in special if i not in kept], limit - len(kept))
    step = -(-len(rounds) // max(1, limit - len(kept)))
    return tuple(round_ for i, round_ in enumerate(rounds) if i in kept or i % step == 0)


def _thinned(places: Sequence[int], limit: int) -> set[int]:
    return set(places[:: max(1, -(-len(places) // limit))]) if limit > 0 else set()


def went_wrong(round_: Round) -> bool:
    """It was retried, or an update was turned away or is missing."""
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


def newest_evaluations(history: RunHistory) -> tuple[Evaluation, ...]:
    """Those of the latest evaluated round."""
    newest = max((evaluation.round for evaluation in history.evaluations), default=None)
    return tuple(evaluation for evaluation in history.evaluations if evaluation.round == newest)
