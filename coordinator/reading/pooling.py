"""Several measurements of one thing as one: over the participants that measured, each with its own part.

What is left out is decided here as well: participants known to be malicious, and, for a short table, all
adaptation step counts but one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from coordinator.reading.history import Evaluation
from protocol.messages import Interval

USUAL_STEPS = 50


@dataclass(frozen=True, slots=True)
class Measured:
    """One decision logic on the model after ``round``: the mean over ``evaluators``.

    ``each`` are their own measurements. An interval's half-width is the mean of theirs: it speaks of
    episodes, not of other participants, and holds whether or not all were measured on the same episodes.
    """

    round: int
    decision: str
    shot: int | None
    adaptation_steps: int
    backdoor_in_support: bool
    transductive: bool | None
    main_accuracy: Interval
    attack_train: Interval
    attack_validation: Interval
    each: tuple[Evaluation, ...]

    @property
    def evaluators(self) -> tuple[str, ...]:
        return tuple(evaluation.auditor for evaluation in self.each)

    @property
    def case(self) -> tuple[int, bool]:
        """Shot and whether the support set holds the backdoor class."""
        return self.shot or 0, self.backdoor_in_support


def pooled(evaluations: Iterable[Evaluation], roles: Mapping[str, str]) -> tuple[Measured, ...]:
    """One :class:`Measured` for each setting, in the order in which the settings come first.

    Where participants measure for themselves, those that ``roles`` calls malicious are left out.
    """
    groups: dict[tuple[int, str, int, int, bool], list[Evaluation]] = {}
    for evaluation in evaluations:
        if not (evaluation.private and roles.get(evaluation.auditor) == "malicious"):
            number, decision, shot, steps, held, _ = evaluation.setting
            groups.setdefault((number, decision, shot, steps, held), []).append(evaluation)
    return tuple(_measured(group) for group in groups.values())


def _measured(group: Sequence[Evaluation]) -> Measured:
    first = group[0]

    def over(accuracy: Callable[[Evaluation], Interval]) -> Interval:
        values = [accuracy(evaluation) for evaluation in group]
        if len(values) == 1:
            return values[0]
        return Interval(
            mean=min(1.0, fmean(value.mean for value in values)),
            ci95=fmean(value.ci95 for value in values),
            episodes=min(value.episodes for value in values),
        )

    return Measured(
        round=first.round,
        decision=first.decision,
        shot=first.shot,
        adaptation_steps=first.adaptation_steps,
        backdoor_in_support=first.backdoor_in_support,
        transductive=first.transductive,
        main_accuracy=over(lambda e: e.main_accuracy),
        attack_train=over(lambda e: e.backdoor_accuracy.attack_train),
        attack_validation=over(lambda e: e.backdoor_accuracy.attack_validation),
        each=tuple(group),
    )


def steps_of(measured: Iterable[Measured]) -> dict[str, tuple[int, ...]]:
    """The adaptation step counts measured of each decision logic, ascending."""
    found: dict[str, set[int]] = {}
    for one in measured:
        found.setdefault(one.decision, set()).add(one.adaptation_steps)
    return {decision: tuple(sorted(steps)) for decision, steps in found.items()}


def at_usual_steps(measured: Sequence[Measured]) -> tuple[Measured, ...]:
    """Of each decision logic one step count: 50 where it was measured, else the largest."""
    usual = {
        name: USUAL_STEPS if USUAL_STEPS in all_ else all_[-1] for name, all_ in steps_of(measured).items()
    }
    return tuple(one for one in measured if one.adaptation_steps == usual[one.decision])


def in_order(measured: Iterable[Measured], decisions: Sequence[str]) -> tuple[Measured, ...]:
    """By round, then by decision as ``decisions`` lists them, then by shot, steps and case."""

    def key(one: Measured) -> tuple[int, int, str, int, int, bool]:
        place = decisions.index(one.decision) if one.decision in decisions else len(decisions)
        return (
            one.round, place, one.decision, one.shot or 0, one.adaptation_steps, one.backdoor_in_support,
        )  # fmt: skip

    return tuple(sorted(measured, key=key))
