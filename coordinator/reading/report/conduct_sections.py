"""The parts of a report that say how a run went: norms, participants, rounds."""

from coordinator.reading.report import frames
from coordinator.reading.report.conduct import (
    BINS,
    PARTICIPANTS_SHOWN,
    POINTS_SHOWN,
    Cost,
    cost_figure,
    norms_figure,
    timeline_figure,
)
from coordinator.reading.report.draft import Draft
from coordinator.reading.report.page import Heading, Paragraph, TableBlock
from coordinator.reading.report.runs import Run
from coordinator.reading.report.style import GREY, series_style
from coordinator.reading.report.words import NOTHING, counted, norms_words, yes
from coordinator.reading.tables import duration, size
from coordinator.reading.views import condensed, remarks

LOUDEST_SHOWN = 8
ROUNDS_SHOWN = 60
NAMES_OPEN = 24


def norms_section(draft: Draft, run: Run) -> None:
    """The norm of every update, and those that stand out from their round."""
    rows = frames.update_rows(run)
    draft.add_table("updates", frames.UpdateRow, rows)
    draft.add(Heading("Update norms"))
    positive = [row for row in rows if row.norm > 0]
    if not positive:
        draft.add(Paragraph("Every update has norm 0." if rows else "No update was accepted in this run."))
        return
    loudest = frames.standing_out(rows)
    words = norms_words(loudest)
    caption = "L2 norm of each accepted update, on a logarithmic axis"
    if zero := len(rows) - len(positive):
        caption += f"; {counted(zero, 'update')} of norm 0 not shown"
    if len(positive) > POINTS_SHOWN:
        caption += "; all of attack rounds and all outliers are drawn, of the others a part"
    figure = norms_figure(positive, run.attacks)
    draft.add(Paragraph(words))
    draft.add_figure("norms", figure, f"{caption}.", f"Dots, one for each update. {words}", "updates")
    top = loudest[:LOUDEST_SHOWN]
    table = [
        [
            str(r.round), r.participant, r.role or NOTHING, f"{r.norm:.3g}", f"{r.times_median:.2f}",
            yes(r.attack),
        ]
        for r in top
    ]  # fmt: skip
    if table:
        header = ["round", "participant", "role", "norm", "times the others' median", "attack round"]
        marked = frozenset(
            i for i, r in enumerate(loudest[:LOUDEST_SHOWN]) if r.attack and r.role == "malicious"
        )
        caption = "The updates that stand out most from their round."
        draft.add(TableBlock(header, table, caption, marked, files=["updates.csv"]))


def participants_section(draft: Draft, run: Run) -> None:
    """Who was there when, and everybody's part."""
    rows, movements = frames.participant_rows(run), frames.movement_rows(run)
    draft.add_table("participants", frames.ParticipantRow, rows)
    draft.add_table("movements", frames.MovementRow, movements)
    draft.add(Heading("Participants"))
    last = run.history.rounds[-1].number if run.history.rounds else 0
    if not rows:
        draft.add(Paragraph("Nobody has joined yet."))
        return
    if movements and last:
        caption = "When each participant was there, in rounds"
        caption += "; malicious ones are red" if "malicious" in run.roles.values() else ""
        if len(rows) > PARTICIPANTS_SHOWN:
            caption += (
                f"; {PARTICIPANTS_SHOWN} of {len(rows)} are shown, those that were lost or refused first"
            )
        kinds = ("joined", "lost", "left", "refused")
        happened = ", ".join(f"{sum(m.kind == kind for m in movements)} {kind}" for kind in kinds)
        figure = timeline_figure(movements, run.roles, run.attacks, run.history.info.restarts, last)
        alt = f"Bars over rounds, one for each participant. Events: {happened}."
        draft.add_figure("participants", figure, f"{caption}.", alt, "movements")
    known = bool(run.roles)
    header = [
        "participant", *(["role"] if known else []), "state", "joined", "lost", "refused", "updates",
        "rejected", "median norm", "largest norm", "median seconds",
    ]  # fmt: skip
    table = [_participant(row, known) for row in rows]
    marked = frozenset(i for i, r in enumerate(rows) if r.role == "malicious")
    folded = len(table) > NAMES_OPEN
    draft.add(TableBlock(header, table, "Everybody who was seen.", marked, folded, ["participants.csv"]))


def _participant(row: frames.ParticipantRow, known: bool) -> list[str]:
    auditor = not known and row.role == "auditor"
    numbers = row.median_norm, row.largest_norm, row.median_seconds
    return [
        f"{row.participant} (auditor)" if auditor else row.participant,
        *([row.role or NOTHING] if known else []),
        row.state, str(row.joined), str(row.lost), str(row.refused),
        f"{row.accepted} of {row.selected}" if row.selected else NOTHING, str(row.rejected),
        *(NOTHING if number is None else f"{number:.3g}" for number in numbers),
    ]  # fmt: skip


def rounds_section(draft: Draft, run: Run) -> None:
    """Seconds and bytes, what was turned away, and the rounds as a table."""
    rows, rejections = frames.round_rows(run), frames.rejection_rows(run)
    draft.add_table("rounds", frames.RoundRow, rows)
    draft.add_table("rejections", frames.RejectionRow, rejections)
    draft.add(Heading("Rounds"))
    if not rows:
        draft.add(Paragraph("No round is complete yet."))
        return
    words = rounds_words(rows)
    caption = "Seconds and bytes of each round"
    if len(rows) > BINS:
        caption += ": medians of stretches of rounds, with the shortest and the longest as a band"
    figure = cost_figure([Cost(run.label, series_style(GREY), rows)], run.attacks)
    draft.add(Paragraph(words))
    draft.add_figure("rounds", figure, f"{caption}.", f"Lines over rounds. {words}", "rounds")
    if rejections:
        table = [[r.reason, str(r.count), str(r.rounds)] for r in rejections]
        header = ["reason", "messages turned away", "in rounds"]
        draft.add(TableBlock(header, table, "Rejected, by reason.", files=["rejections.csv"]))
    else:
        draft.add(Paragraph("No update was rejected."))
    _rounds_table(draft, run, rows)


def rounds_words(rows: list[frames.RoundRow]) -> str:
    """How long all rounds took, how much they moved, and how often one was tried again."""
    moved = size(sum(r.bytes_in + r.bytes_out for r in rows))
    took = duration(sum(r.seconds for r in rows))
    retries = sum(r.retries for r in rows)
    again = "None was tried again" if not retries else f"A round was tried again {counted(retries, 'time')}"
    return f"{counted(len(rows), 'round')} took {took} and moved {moved}. {again} for want of updates."


def _rounds_table(draft: Draft, run: Run, rows: list[frames.RoundRow]) -> None:
    evaluated = frozenset(e.round for e in run.history.evaluations)
    said = remarks(run.history, run.attacks)
    rounds = condensed(
        run.history.rounds, ROUNDS_SHOWN, evaluated=evaluated, attacks=run.attacks, remarkable=said.keys()
    )
    shown = {r.number for r in rounds}
    table = [
        [
            str(r.round), f"{r.received} of {r.selected}", str(r.rejected), str(r.retries),
            f"{r.seconds:.2f}", size(r.bytes_in), size(r.bytes_out), r.model_digest[:12],
            ", ".join([*said.get(r.round, ()), *(["evaluated"] if r.round in evaluated else [])]),
        ]
        for r in rows
        if r.round in shown
    ]  # fmt: skip
    caption = "Every round" if len(table) == len(rows) else f"The most remarkable of {len(rows)} rounds"
    header = ["round", "updates", "rejected", "retries", "seconds", "in", "out", "model", "note"]
    draft.add(TableBlock(header, table, caption, folded=True, files=["rounds.csv"]))
