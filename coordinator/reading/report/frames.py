"""Runs as plain rows: what figures draw, tables show and CSV files hold. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from coordinator.reading.pooling import Measured
from coordinator.reading.report.runs import Run
from coordinator.reading.views import record_of, relative_label, times_others
from protocol.messages import Interval


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """One setting, pooled over ``evaluators``; accuracies are fractions, ``_ci95`` 95 % half-widths."""

    run: str
    round: int
    when: str
    decision: str
    shot: int | None
    adaptation_steps: int
    backdoor_in_support: bool
    main_accuracy: float
    main_accuracy_ci95: float
    attack_train: float
    attack_train_ci95: float
    attack_validation: float
    attack_validation_ci95: float
    episodes: int
    evaluators: int


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """As measured, by one evaluator; ``minus_*`` are paired differences from the decision ``against``."""

    run: str
    round: int
    evaluator: str
    role: str
    decision: str
    shot: int | None
    adaptation_steps: int
    backdoor_in_support: bool
    main_accuracy: float
    main_accuracy_ci95: float
    attack_train: float
    attack_train_ci95: float
    attack_validation: float
    attack_validation_ci95: float
    episodes: int
    against: str | None
    minus_main_accuracy: float | None
    minus_main_accuracy_ci95: float | None
    minus_attack_train: float | None
    minus_attack_train_ci95: float | None
    minus_attack_validation: float | None
    minus_attack_validation_ci95: float | None


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """``times_median``: the norm over the median of the others' in the round; None where too few came."""

    run: str
    round: int
    attack: bool
    participant: str
    role: str
    norm: float
    times_median: float | None
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A completed round."""

    run: str
    round: int
    attack: bool
    selected: int
    received: int
    rejected: int
    retries: int
    seconds: float
    bytes_in: int
    bytes_out: int
    model_digest: str


@dataclass(frozen=True, slots=True)
class MovementRow:
    run: str
    timestamp: str
    round: int
    participant: str
    kind: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ParticipantRow:
    run: str
    participant: str
    role: str
    state: str
    joined: int
    lost: int
    refused: int
    selected: int
    accepted: int
    rejected: int
    median_norm: float | None
    largest_norm: float | None
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """``count``: of the messages turned away in all completed rounds."""

    run: str
    reason: str
    count: int
    rounds: int


Row = AccuracyRow | EvaluationRow | UpdateRow | RoundRow | MovementRow | ParticipantRow | RejectionRow


def accuracy_rows(run: Run) -> list[AccuracyRow]:
    return [_accuracy_row(run, one) for one in run.measured()]


def _accuracy_row(run: Run, one: Measured) -> AccuracyRow:
    return AccuracyRow(
        run.label, one.round, relative_label(one.round, run.attacks), one.decision, one.shot,
        one.adaptation_steps, one.backdoor_in_support,
        *_pair(one.main_accuracy), *_pair(one.attack_train), *_pair(one.attack_validation),
        one.main_accuracy.episodes, len(one.each),
    )  # fmt: skip


def _pair(value: Interval) -> tuple[float, float]:
    return value.mean, value.ci95


def evaluation_rows(run: Run) -> Iterator[EvaluationRow]:
    for e in run.history.evaluations:
        d, backdoor = e.difference, e.backdoor_accuracy
        yield EvaluationRow(
            run=run.label,
            round=e.round,
            evaluator=e.auditor,
            role=role_of(run, e.auditor),
            decision=e.decision,
            shot=e.shot,
            adaptation_steps=e.adaptation_steps,
            backdoor_in_support=e.backdoor_in_support,
            main_accuracy=e.main_accuracy.mean,
            main_accuracy_ci95=e.main_accuracy.ci95,
            attack_train=backdoor.attack_train.mean,
            attack_train_ci95=backdoor.attack_train.ci95,
            attack_validation=backdoor.attack_validation.mean,
            attack_validation_ci95=backdoor.attack_validation.ci95,
            episodes=e.main_accuracy.episodes,
            against=d.against if d else None,
            minus_main_accuracy=d.main_accuracy.mean if d else None,
            minus_main_accuracy_ci95=d.main_accuracy.ci95 if d else None,
            minus_attack_train=d.attack_train.mean if d else None,
            minus_attack_train_ci95=d.attack_train.ci95 if d else None,
            minus_attack_validation=d.attack_validation.mean if d else None,
            minus_attack_validation_ci95=d.attack_validation.ci95 if d else None,
        )


def role_of(run: Run, name: str) -> str:
    """From ``roles.json``; else what the coordinator knows: who is an auditor."""
    if name in run.roles:
        return run.roles[name]
    return "auditor" if any(p.name == name and p.auditor for p in run.history.participants) else ""


def update_rows(run: Run) -> list[UpdateRow]:
    attacks = frozenset(run.attacks)
    rows = []
    for round_ in run.history.rounds:
        for update, times in zip(round_.updates, times_others(round_), strict=True):
            rows.append(
                UpdateRow(
                    run.label, round_.number, round_.number in attacks, update.participant,
                    run.roles.get(update.participant, ""), update.norm, times, update.bytes, update.seconds,
                )
            )  # fmt: skip
    return rows


def standing_out(rows: Sequence[UpdateRow]) -> list[UpdateRow]:
    """Updates that can be compared with others of their round, the relatively largest first."""
    comparable = [row for row in rows if row.times_median is not None]
    return sorted(comparable, key=lambda row: (-(row.times_median or 0.0), row.round, row.participant))


def round_rows(run: Run) -> list[RoundRow]:
    attacks = frozenset(run.attacks)
    return [
        RoundRow(
            run.label, r.number, r.number in attacks, len(r.selected), done.received, done.rejected,
            r.retries, done.seconds, done.bytes_in, done.bytes_out, done.model_digest,
        )
        for r in run.history.rounds
        if (done := r.completion)
    ]  # fmt: skip


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key by which participant-2 comes before participant-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def movement_rows(run: Run) -> list[MovementRow]:
    return [
        MovementRow(run.label, m.at.isoformat(), m.round, m.participant, m.kind, m.reason)
        for m in run.history.movements
    ]


def participant_rows(run: Run) -> list[ParticipantRow]:
    norms: dict[str, list[float]] = {}
    for round_ in run.history.rounds:
        for update in round_.updates:
            norms.setdefault(update.participant, []).append(update.norm)
    rows = []
    for participant in sorted(run.history.participants, key=lambda p: natural(p.name)):
        record = record_of(participant.name, run.history.rounds)
        mine = norms.get(participant.name)
        rows.append(
            ParticipantRow(
                run.label, participant.name, role_of(run, participant.name), participant.presence,
                participant.joined, participant.lost, len(participant.refusals),
                record.selected, record.accepted, record.rejected,
                median(mine) if mine else None, max(mine) if mine else None, record.median_seconds,
            )
        )  # fmt: skip
    return rows


def rejection_rows(run: Run) -> list[RejectionRow]:
    """By reason, the most frequent first."""
    counts: Counter[str] = Counter()
    rounds: Counter[str] = Counter()
    for round_ in run.history.rounds:
        # A round that goes on has not counted them yet.
        counted = round_.completion.rejections if round_.completion else {}
        for reason, count in (counted or Counter(r.reason for r in round_.rejections)).items():
            counts[reason] += count
            rounds[reason] += 1
    return [RejectionRow(run.label, reason, count, rounds[reason]) for reason, count in counts.most_common()]
