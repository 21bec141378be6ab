"""The report of one run."""

from collections.abc import Sequence

from coordinator.reading.pooling import Measured, at_usual_steps, steps_of
from coordinator.reading.report import frames
from coordinator.reading.report.accuracy import (
    Series,
    accuracy_figure,
    notable_rounds,
    squeezed_from,
    steps_figure,
)
from coordinator.reading.report.conduct_sections import norms_section, participants_section, rounds_section
from coordinator.reading.report.draft import Draft
from coordinator.reading.report.page import Code, Facts, Heading, Paragraph, TableBlock
from coordinator.reading.report.runs import Run
from coordinator.reading.report.settings import settings
from coordinator.reading.report.style import decision_style, literal
from coordinator.reading.report.words import basis, facts, moments_table, moments_words, notices, yes
from coordinator.reading.tables import interval
from coordinator.reading.views import relative_label

ROWS_OPEN = 24
ROWS_SHOWN = 400


def report_of(run: Run) -> Draft:
    """Everything that the run's directory tells, from what was run to each measurement."""
    draft = Draft(f"Run {run.label}", subtitle=_subtitle(run), footer=f"fedmeta report {run.directory}")
    draft.add(*notices(run), Facts(facts(run)))
    measured = run.measured()
    if measured:
        _accuracy_section(draft, run, measured)
    else:
        draft.add(Heading("Accuracy"), Paragraph("Nothing was evaluated in this run."))
    if not run.history.measurements_only:
        norms_section(draft, run)
        participants_section(draft, run)
        rounds_section(draft, run)
    if measured:
        _measurements_section(draft, run, measured)
    _again_section(draft, run)
    return draft


def _subtitle(run: Run) -> str:
    if run.scenario is None:
        return ""
    federation = run.scenario.federation
    return (
        f"{run.scenario.task.dataset}, {federation.participants} participants, "
        f"{federation.selected} selected a round, {federation.rounds} rounds"
    )


def _series(run: Run, measured: Sequence[Measured]) -> list[Series]:
    """A line for each decision logic."""
    of = {name: [one for one in measured if one.decision == name] for name in run.decisions}
    return [Series(literal(name), decision_style(name, run.decisions), of[name]) for name in of if of[name]]


def _accuracy_section(draft: Draft, run: Run, measured: Sequence[Measured]) -> None:
    usual = at_usual_steps(measured)
    header, rows = moments_table(run, usual)
    draft.add_table("accuracy", frames.AccuracyRow, frames.accuracy_rows(run))
    draft.add_table("evaluations", frames.EvaluationRow, frames.evaluation_rows(run))
    draft.add(Heading("Accuracy"), Paragraph(basis(run, measured)))
    caption = "Fractions, mean ± 95 % half-width over episodes."
    draft.add(TableBlock(header, rows, caption, files=["accuracy.csv"]))
    for shot in sorted({one.shot or 0 for one in usual}):
        of_shot = [one for one in usual if (one.shot or 0) == shot]
        named, stem = (f"{shot}-shot", f"accuracy-{shot}-shot") if shot else ("shots not known", "accuracy")
        alt = f"Lines of accuracy over rounds. {moments_words(run, of_shot)}."
        lines = _series(run, of_shot)
        caption = f"Accuracy over rounds, {named}. Bands are 95 % intervals over episodes."
        draft.add_figure(stem, accuracy_figure(lines, run.attacks, run.way), caption, alt, "accuracy")
        if (first := squeezed_from([one.round for one in of_shot], run.attacks)) is not None:
            around = accuracy_figure(lines, run.attacks, run.way, first=first)
            caption = f"The same around the attack, from round {first} on, {named}."
            draft.add_figure(f"{stem}-attack", around, caption, alt, "accuracy")
    if any(len(steps) > 1 for steps in steps_of(measured).values()):
        draft.add(Heading("Adaptation", 3))
        for case in sorted({one.case for one in measured}):
            _steps_figure(draft, run, [one for one in measured if one.case == case])


def _steps_figure(draft: Draft, run: Run, measured: Sequence[Measured]) -> None:
    shot, held = measured[0].case
    rounds = notable_rounds([one.round for one in measured], run.attacks)
    case = f"{shot}-shot, backdoor class {'' if held else 'not '}in the support set"
    draft.add_figure(
        f"steps-{shot}-shot{'-in-support' if held else ''}",
        steps_figure(
            _series(run, measured),
            [(number, relative_label(number, run.attacks)) for number in rounds],
            run.way,
        ),
        f"Accuracy against adaptation steps, {case}. The axis of steps is logarithmic; a level line is a "
        "decision logic that does not adapt.",
        f"Lines of accuracy against adaptation steps, for {len(rounds)} evaluated rounds; {case}. "
        f"{moments_words(run, at_usual_steps(measured))}.",
        "accuracy",
    )


def _measurements_section(draft: Draft, run: Run, measured: Sequence[Measured]) -> None:
    shown, caption = measured, "Every measurement."
    if len(shown) > ROWS_SHOWN:
        shown = at_usual_steps(measured)[:ROWS_SHOWN]
        caption = f"{len(shown)} of {len(measured)} measurements; all are in the CSV file."
    header = [
        "when", "round", "decision", "shot", "steps", "in support", "attack-train", "attack-validation",
        "main task", "episodes", "measured by",
    ]  # fmt: skip
    rows = [_measurement(run, one) for one in shown]
    folded = len(rows) > ROWS_OPEN
    table = TableBlock(header, rows, caption, folded=folded, files=["evaluations.csv"])
    draft.add(Heading("Measurements"), table)


def _measurement(run: Run, one: Measured) -> list[str]:
    who = one.evaluators[0] if len(one.each) == 1 else f"{len(one.each)} participants"
    return [
        relative_label(one.round, run.attacks), str(one.round), one.decision, str(one.shot or "?"),
        str(one.adaptation_steps), yes(one.backdoor_in_support), interval(one.attack_train),
        interval(one.attack_validation), interval(one.main_accuracy), str(one.main_accuracy.episodes), who,
    ]  # fmt: skip


def _again_section(draft: Draft, run: Run) -> None:
    if run.scenario is None:
        return
    malicious = sum(role == "malicious" for role in run.roles.values())
    start = f" --from {run.history.info.started_from}" if run.history.info.started_from else ""
    attackers = f" --attackers {malicious}" if run.roles else ""
    scenario = run.directory / "scenario.toml"
    commands = f"fedmeta run {scenario}{start}{attackers}\nfedmeta inspect {run.directory}"
    draft.add(Heading("Doing it again"), Code(commands))
    caption = "The scenario, all defaults filled in"
    draft.add(TableBlock(["key", "value"], list(settings(run.scenario).items()), caption, folded=True))
