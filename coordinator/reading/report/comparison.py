"""The report of several runs: the same figures overlaid, and what differs between their scenarios."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from coordinator.reading.pooling import Measured, at_usual_steps, steps_of
from coordinator.reading.report import frames
from coordinator.reading.report.accuracy import (
    ACCURACIES,
    Series,
    accuracy_figure,
    squeezed_from,
    steps_figure,
)
from coordinator.reading.report.conduct import Cost, compared_norms_figure, cost_figure
from coordinator.reading.report.conduct_sections import rounds_words
from coordinator.reading.report.draft import Draft
from coordinator.reading.report.page import Code, Heading, Paragraph, TableBlock
from coordinator.reading.report.runs import Run
from coordinator.reading.report.settings import ABSENT, differences
from coordinator.reading.report.style import literal, series_style
from coordinator.reading.report.words import (
    NOTHING,
    definition,
    facts,
    measured_by,
    norms_words,
    notices,
    yes,
)
from coordinator.reading.tables import interval
from coordinator.reading.views import relative_label

MOMENTS = ("before the attack", "right after it", "at the end")
WITHOUT_ATTACK = ("first measured", "at the end")


@dataclass(frozen=True)
class DifferenceRow:
    key: str
    run: str
    value: str


def comparison_of(runs: Sequence[Run]) -> Draft:
    """Runs side by side, each named by its label."""
    draft = Draft(f"{len(runs)} runs compared", subtitle=", ".join(run.label for run in runs))
    for run in runs:
        draft.add(*notices(run))
    _what_was_run(draft, runs)
    _accuracies(draft, runs)
    if conducted := [run for run in runs if not run.history.measurements_only]:
        _norms(draft, conducted)
        _conduct(draft, conducted)
    commands = "\n".join(f"fedmeta report {run.directory}" for run in runs)
    draft.add(Heading("Each run by itself"), Code(commands))
    return draft


def _what_was_run(draft: Draft, runs: Sequence[Run]) -> None:
    known = [dict(facts(run)) for run in runs]
    keys = dict.fromkeys(key for one in known for key in one)
    header = ["", *(run.label for run in runs)]
    rows = [[key, *(one.get(key, NOTHING) for one in known)] for key in keys]
    draft.add(Heading("The runs"), TableBlock(header, rows, "What was run."))
    differ = differences([run.scenario for run in runs])
    draft.add_table(
        "differences",
        DifferenceRow,
        [
            DifferenceRow(key, run.label, value)
            for key, row in differ
            for run, value in zip(runs, row, strict=True)
        ],
    )
    if differ:
        header = ["key", *(run.label for run in runs)]
        table = [[key, *row] for key, row in differ]
        caption = "The keys of their scenarios that differ."
        draft.add(TableBlock(header, table, caption, files=["differences.csv"]))
    elif all(run.scenario for run in runs):
        draft.add(Paragraph("Their scenarios do not differ."))
    else:
        draft.add(Paragraph(f"No difference between their scenarios is known ({ABSENT}: no scenario.toml)."))


def _accuracies(draft: Draft, runs: Sequence[Run]) -> None:
    draft.add_table(
        "accuracy", frames.AccuracyRow, [row for run in runs for row in frames.accuracy_rows(run)]
    )
    draft.add_table(
        "evaluations", frames.EvaluationRow, [row for run in runs for row in frames.evaluation_rows(run)]
    )
    draft.add(Heading("Accuracy"))
    measured = {run.label: run.measured() for run in runs}
    if not any(measured.values()):
        draft.add(Paragraph("Nothing was evaluated in these runs."))
        return
    if silent := [label for label, found in measured.items() if not found]:
        draft.add(Paragraph(f"Nothing was evaluated in: {', '.join(silent)}."))
    ways = {run.way for run in runs}
    draft.add(Paragraph(definition(ways.pop() if len(ways) == 1 else None)))
    for run in runs:
        draft.add(*(Paragraph(f"{run.label}: {said}") for said in measured_by(run, measured[run.label])))
    _moments(draft, runs, measured)
    decisions = dict.fromkeys(name for run in runs for name in run.decisions)
    shots = sorted({one.shot or 0 for found in measured.values() for one in found})
    for decision in decisions:
        for shot in shots:
            of = {
                label: [one for one in found if one.decision == decision and (one.shot or 0) == shot]
                for label, found in measured.items()
            }
            if any(of.values()):
                _decision_figures(draft, runs, decision, shot, of)


def _decision_figures(
    draft: Draft, runs: Sequence[Run], decision: str, shot: int, measured: dict[str, list[Measured]]
) -> None:
    named = f"{decision}, {shot}-shot" if shot else decision
    usual = {label: list(at_usual_steps(found)) for label, found in measured.items()}
    shift, attacks, axis = aligned(runs)
    lines = _series(runs, {k: [replace(m, round=m.round - shift[k]) for m in v] for k, v in usual.items()})
    steps = sorted({f"{one.adaptation_steps}" for found in usual.values() for one in found})
    ways = {run.way for run in runs}
    way = ways.pop() if len(ways) == 1 else None
    stem = f"accuracy-{decision}-{shot}-shot"
    alt = f"Lines of accuracy over rounds, one for each run. {_said(runs, usual)}"
    draft.add(Heading(named, 3))
    draft.add_figure(
        stem,
        accuracy_figure(lines, attacks, way, axis=axis),
        f"{named}, after {' or '.join(steps)} adaptation steps: a line for each run, with 95 % intervals.",
        alt,
        "accuracy",
    )
    if (first := squeezed_from([one.round for line in lines for one in line.measured], attacks)) is not None:
        around = accuracy_figure(lines, attacks, way, first=first, axis=axis)
        draft.add_figure(f"{stem}-attack", around, f"{named}: the same around the attack.", alt, "accuracy")
    if any(len(counts) > 1 for found in measured.values() for counts in steps_of(found).values()):
        for held in sorted({one.backdoor_in_support for found in measured.values() for one in found}):
            of_case = {k: [m for m in v if m.backdoor_in_support == held] for k, v in measured.items()}
            _steps(
                draft,
                runs,
                f"steps-{decision}-{shot}-shot{'-in-support' if held else ''}",
                named,
                of_case,
                way,
            )


def _steps(
    draft: Draft,
    runs: Sequence[Run],
    stem: str,
    named: str,
    measured: dict[str, list[Measured]],
    way: int | None,
) -> None:
    """Rounds differ between runs, so the figure's rows are the moments before and after the attack."""
    placed = {
        label: [
            replace(one, round=place)
            for place, number in enumerate(numbers)
            for one in measured[label]
            if one.round == number
        ]
        for label, numbers in at_moments(runs, measured).items()
    }
    called = _called(runs)
    there = sorted({one.round for found in placed.values() for one in found})
    draft.add_figure(
        stem,
        steps_figure(_series(runs, placed), [(place, called[place]) for place in there], way, numbered=False),
        f"{named}: accuracy against adaptation steps, a line for each run.",
        f"Lines of accuracy against adaptation steps, one for each run. {_said(runs, measured)}",
        "accuracy",
    )


def _series(runs: Sequence[Run], measured: dict[str, list[Measured]]) -> list[Series]:
    return [
        Series(literal(run.label), series_style(i), measured[run.label])
        for i, run in enumerate(runs)
        if measured[run.label]
    ]


def aligned(runs: Sequence[Run]) -> tuple[dict[str, int], tuple[int, ...], str]:
    """What to take from each run's round numbers, the attack rounds that all have then, and the axis's label:
    rounds as they are, or counted from the first attack where that is in another round in each."""
    firsts = {run.label: min(run.attacks) for run in runs if run.attacks}
    shift = dict.fromkeys((run.label for run in runs), 0)
    axis = "round"
    if len(firsts) == len(runs) and len(set(firsts.values())) > 1:
        shift, axis = firsts, "rounds after the first attack round"
    moved = {tuple(r - shift[run.label] for r in run.attacks) for run in runs if run.attacks}
    common = sorted(set.intersection(*(set(one) for one in moved))) if moved else []
    return shift, tuple(common), axis


def at_moments(
    runs: Sequence[Run], measured: Mapping[str, Sequence[Measured]]
) -> dict[str, tuple[int | None, ...]]:
    """The round of each run at each of ``MOMENTS``, or of ``WITHOUT_ATTACK`` where no run has one; None where
    it was not measured then. One that two moments share is in both, so that runs compare.

    A run without an attack, a control, is looked at in the rounds in which an attacked one is.
    """
    rounds = {run.label: sorted({one.round for one in measured[run.label]}) for run in runs}
    attacked = {run.label: _around(run.attacks, rounds[run.label]) for run in runs if run.attacks}
    if not attacked:
        return {label: (found[0], found[-1]) if found else (None, None) for label, found in rounds.items()}
    wanted = list(zip(*attacked.values(), strict=True))
    return {
        label: attacked.get(label)
        or tuple(next((number for number in same if number in found), None) for same in wanted)
        for label, found in rounds.items()
    }


def _around(attacks: Sequence[int], rounds: Sequence[int]) -> tuple[int | None, ...]:
    """Of the measured ``rounds`` the last before the attack, the first after it and the last of all."""
    before = [number for number in rounds if number < min(attacks)]
    after = [number for number in rounds if number >= max(attacks)]
    end = rounds[-1] if len(rounds) > len(before) else None
    return before[-1] if before else None, after[0] if after else None, end


def _called(runs: Sequence[Run]) -> Sequence[str]:
    return MOMENTS if any(run.attacks for run in runs) else WITHOUT_ATTACK


def _moments(draft: Draft, runs: Sequence[Run], measured: dict[str, tuple[Measured, ...]]) -> None:
    usual = {label: at_usual_steps(found) for label, found in measured.items()}
    every = [one for found in usual.values() for one in found]
    cases = dict.fromkeys((one.decision, one.case) for one in sorted(every, key=lambda m: m.case))
    shots, held = len({one.shot for one in every}) > 1, len({one.backdoor_in_support for one in every}) > 1
    called, moments = _called(runs), at_moments(runs, usual)
    rows = []
    for name, accuracy in ACCURACIES:
        for decision, case in cases:
            for run in runs:
                at = {
                    one.round: one for one in usual[run.label] if (one.decision, one.case) == (decision, case)
                }
                cells = [
                    NOTHING if number is None or number not in at else interval(accuracy(at[number]))
                    for number in moments[run.label]
                ]
                shown = [*([str(case[0])] if shots else []), *([yes(case[1])] if held else [])]
                rows.append([name, decision, *shown, run.label, *cells])
    header = ["accuracy", "decision", *(["shot"] if shots else []), *(["in support"] if held else []), "run"]
    caption = "Fractions, mean ± 95 % half-width over episodes."
    draft.add(TableBlock([*header, *called], rows, caption, files=["accuracy.csv"]))


def _said(runs: Sequence[Run], measured: dict[str, list[Measured]]) -> str:
    parts = []
    usual = {label: at_usual_steps(found) for label, found in measured.items()}
    moments = at_moments(runs, usual)
    for run in runs:
        for number in dict.fromkeys(moments[run.label]):
            for one in usual[run.label]:
                if one.round == number:
                    values = ", ".join(f"{name} {accuracy(one).mean:.2f}" for name, accuracy in ACCURACIES)
                    parts.append(f"{run.label}, {relative_label(one.round, run.attacks)}: {values}.")
    return " ".join(parts)


def _norms(draft: Draft, runs: Sequence[Run]) -> None:
    rows = {run.label: frames.update_rows(run) for run in runs}
    draft.add_table("updates", frames.UpdateRow, [row for some in rows.values() for row in some])
    draft.add(Heading("Update norms"))
    drawn = [(run, [row for row in rows[run.label] if row.norm > 0]) for run in runs]
    drawn = [(run, some) for run, some in drawn if some]
    if not drawn:
        draft.add(Paragraph("No update with a norm above 0 was accepted in these runs."))
        return
    words = [f"{run.label}: {norms_words(frames.standing_out(rows[run.label]))}" for run in runs]
    figure = compared_norms_figure([(literal(run.label), some, run.attacks) for run, some in drawn])
    caption = "L2 norm of each accepted update, on one logarithmic axis for all runs."
    for sentence in words:
        draft.add(Paragraph(sentence))
    draft.add_figure("norms", figure, caption, f"Dots, a panel for each run. {' '.join(words)}", "updates")


def _conduct(draft: Draft, runs: Sequence[Run]) -> None:
    rounds = {run.label: frames.round_rows(run) for run in runs}
    people = {run.label: frames.participant_rows(run) for run in runs}
    rejections = {run.label: frames.rejection_rows(run) for run in runs}
    draft.add_table("rounds", frames.RoundRow, [row for some in rounds.values() for row in some])
    draft.add_table("participants", frames.ParticipantRow, [row for some in people.values() for row in some])
    draft.add_table(
        "movements", frames.MovementRow, [row for run in runs for row in frames.movement_rows(run)]
    )
    draft.add_table("rejections", frames.RejectionRow, [row for some in rejections.values() for row in some])
    draft.add(Heading("Rounds and participants"))
    costs = [
        Cost(literal(run.label), series_style(i), rounds[run.label])
        for i, run in enumerate(runs)
        if rounds[run.label]
    ]
    if costs:
        words = " ".join(
            f"{run.label}: {rounds_words(rounds[run.label])}" for run in runs if rounds[run.label]
        )
        caption = "Seconds and bytes of each round, a line for each run; of long runs medians of stretches."
        draft.add_figure("rounds", cost_figure(costs, ()), caption, f"Lines over rounds. {words}", "rounds")
    header = ["run", "rounds", "retries", "participants", "joined", "lost", "refused", "rejected, by reason"]
    table = [
        [
            run.label, str(len(rounds[run.label])), str(sum(r.retries for r in rounds[run.label])),
            str(len(people[run.label])), str(sum(p.joined for p in people[run.label])),
            str(sum(p.lost for p in people[run.label])), str(sum(p.refused for p in people[run.label])),
            ", ".join(f"{r.reason} {r.count}" for r in rejections[run.label]) or "none",
        ]
        for run in runs
    ]  # fmt: skip
    caption = "Participants (auditors among them), losses and rejections."
    draft.add(TableBlock(header, table, caption, files=["participants.csv", "rejections.csv"]))
