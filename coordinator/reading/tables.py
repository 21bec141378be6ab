"""Histories as tables for people (rich)."""

from collections.abc import Callable, Collection, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coordinator.reading.history import Participant, Round, RunHistory
from coordinator.reading.pooling import Measured, at_usual_steps, in_order, pooled, steps_of
from coordinator.reading.views import comings, condensed, record_of, relative_label, remarks, went_wrong
from protocol.messages import Interval
from protocol.scenario import Scenario

ROUNDS_SHOWN = 40
PIPED_WIDTH = 240
_PRESENCE_STYLE = {"alive": "green", "lost": "bold red", "left": "dim"}


class Output(Console):
    """Standard output. A reader that has gone is the caller's to deal with; rich would end the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def open_console(piped_width: int = PIPED_WIDTH) -> Output:
    """Where no terminal says how wide it is, no table is squeezed."""
    console = Output()
    return console if console.is_terminal else Output(width=piped_width)


def interval(value: Interval) -> str:
    """Mean and half-width, as fractions."""
    return f"{value.mean:.2f} ±{value.ci95:.2f}"


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """Seconds for people: the two largest units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _table(title: str, *columns: str, caption: str | None = None) -> Table:
    # Made to fit 80 characters: nothing at the edges, two blanks between columns.
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left", box=None)
    table.padding, table.pad_edge, table.title_style, table.caption_style = (0, 2, 0, 0), False, "bold", "dim"
    for i, column in enumerate(columns):
        words = i == 0 or column in ("decision", "role", "state", "answer", "note")
        table.add_column(column, justify="left" if words else "right", overflow="fold")
    return table


# A column of the summary: its heading, its cell, and whether it is shown when all cells are alike.
_Column = tuple[str, Callable[[Measured], str], bool]


def summary_table(
    history: RunHistory,
    scenario: Scenario,
    roles: Mapping[str, str] | None = None,
    *,
    all_steps: bool = False,
) -> Table:
    """One row for each evaluated round and decision logic; what all rows share is said in the caption.

    Over several participants that measured, benign ones only where ``roles`` knows them; unless
    ``all_steps``, one adaptation step count of each decision.
    """
    every = pooled(history.evaluations, roles or {})
    rows = in_order(every if all_steps else at_usual_steps(every), scenario.decision.names)
    several = any(len(counts) > 1 for counts in steps_of(rows).values())
    mixed = len({row.backdoor_in_support for row in rows}) > 1
    columns: list[_Column] = [
        ("", lambda e: relative_label(e.round, scenario.attack.rounds), True),
        ("round", lambda e: str(e.round), True),
        ("decision", lambda e: f"{e.decision} *" if mixed and e.backdoor_in_support else e.decision, True),
        ("shot", lambda e: "?" if e.shot is None else str(e.shot), False),
        *([("steps", lambda e: str(e.adaptation_steps), True)] if several else []),
        ("backdoor,\nattack-\ntrain", lambda e: interval(e.attack_train), True),
        ("backdoor,\nattack-\nvalidation", lambda e: interval(e.attack_validation), True),
        ("main\ntask", lambda e: interval(e.main_accuracy), True),
        ("episodes", lambda e: str(e.main_accuracy.episodes), False),
    ]
    cells = [[cell(row) for _, cell, _ in columns] for row in rows]
    shown = [i for i, (_, _, always) in enumerate(columns) if always or len({c[i] for c in cells}) > 1]
    same = [(columns[i][0], cells[0][i]) for i in range(len(columns)) if i not in shown and cells]
    table = _table(
        f"Accuracy on {scenario.task.dataset}, {scenario.task.way}-way",
        *(columns[i][0] for i in shown),
        caption="; ".join(
            [
                *_basis(rows),
                *(f"{name}: {cell}".replace("\n", " ") for name, cell in same),
                *([] if several else [_steps(rows)]),
                "*: with the backdoor class in support" if mixed else _support(rows),
                *_what_else(every, rows, history, scenario),
            ]
        ),
    )
    for above, row in zip([None, *cells], cells, strict=False):
        repeats = above is not None and above[:2] == row[:2]
        table.add_row(*("" if repeats and i < 2 else row[i] for i in shown))
    return table


def _steps(rows: Sequence[Measured]) -> str:
    """One count for all, or each decision's: what does not adapt has its own."""
    counts = {name: str(steps[0]) for name, steps in steps_of(rows).items()}
    if len(set(counts.values())) == 1:
        return f"adaptation steps: {next(iter(counts.values()))}"
    return f"adaptation steps: {', '.join(f'{name} {count}' for name, count in counts.items())}"


def _support(rows: Sequence[Measured]) -> str:
    held = any(row.backdoor_in_support for row in rows)
    return f"backdoor in support: {'yes' if held else 'no'}"


def _basis(rows: Sequence[Measured]) -> list[str]:
    counts = {len(row.each) for row in rows}
    if counts <= {1} or not any(row.each[0].private for row in rows):
        return ["fractions, mean ± 95 % half-width over episodes"]
    who = f"{max(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return [
        f"fractions, mean over {who} participants that measured, ± their mean 95 % half-width over episodes"
    ]


def _what_else(
    every: Sequence[Measured], rows: Sequence[Measured], history: RunHistory, scenario: Scenario
) -> list[str]:
    parts = []
    if len(every) > len(rows):
        steps = sorted({steps for of_one in steps_of(every).values() for steps in of_one})
        parts.append(f"measured after {', '.join(map(str, steps))} (--all shows each)")
    counted = {evaluation.auditor for row in every for evaluation in row.each}
    if left_out := {e.auditor for e in history.evaluations} - counted:
        parts.append(f"without {len(left_out)} malicious")
    transductive = {row.transductive for row in rows}
    if transductive == {True}:
        parts.append("transductive (a batch of queries shares its statistics)")
    elif transductive == {False}:
        parts.append("not transductive")
    if scenario.model.shared != "all":
        by_auditor = scenario.evaluation.by == "auditor"
        whose = "the auditor's own, untrained" if by_auditor else "each participant's own"
        parts.append(f"model.shared = {scenario.model.shared}: the rest is {whose}")
    return parts


def rounds_table(history: RunHistory, attacks: Collection[int] = ()) -> Table:
    """The rounds; of a long run the remarkable ones and every n-th."""
    evaluated = frozenset(evaluation.round for evaluation in history.evaluations)
    said = remarks(history, attacks)
    rounds = condensed(
        history.rounds, ROUNDS_SHOWN, evaluated=evaluated, attacks=attacks, remarkable=said.keys()
    )
    caption = "; ".join([*_left_out(history.rounds, rounds, said), *_norms_explained(rounds, said)]) or None
    table = _table(
        "Rounds",
        *("round", "updates", "seconds", "in", "out", "norms", "model", "note"),
        caption=caption,
    )
    for round_ in rounds:
        table.add_row(*_round_row(round_, said.get(round_.number, ()), round_.number in evaluated))
    return table


def _left_out(rounds: Sequence[Round], shown: Sequence[Round], said: Collection[int]) -> list[str]:
    kept = {round_.number for round_ in shown}
    left_out = [round_ for round_ in rounds if round_.number not in kept]
    if not left_out:
        return []
    dull = not any(round_.number in said or went_wrong(round_) for round_ in left_out)
    what = " without anything remarkable" if dull else ""
    return [f"{len(left_out)} more rounds{what}; --round N shows one"]


def _norms_explained(shown: Sequence[Round], said: Mapping[int, Sequence[str]]) -> list[str]:
    some = any(word.startswith("norm ×") for round_ in shown for word in said.get(round_.number, ()))
    return ["norm ×: over the median of the others in the round"] if some else []


def _round_row(round_: Round, said: Sequence[str], evaluated: bool) -> list[str]:
    norms = [update.norm for update in round_.updates]
    done = round_.completion
    rejected = done.rejected if done else len(round_.rejections)
    notes = [
        *said,
        f"{rejected} rejected" if rejected else "",
        f"{round_.retries} retries" if round_.retries else "",
        "evaluated" if evaluated else "",
        "" if done else "going on",
    ]
    return [
        str(round_.number),
        f"{done.received if done else len(round_.updates)} of {len(round_.selected)}",
        f"{done.seconds:.2f}" if done else "",
        size(done.bytes_in) if done else "",
        size(done.bytes_out) if done else "",
        f"{min(norms):.2g} … {max(norms):.2g}" if norms else "",
        done.model_digest[:8] if done else "",
        ", ".join(note for note in notes if note),
    ]


def round_lines(round_: Round, said: Sequence[str] = ()) -> list[str]:
    """When a round was, what became of it, what there is to say of it, and the model after it."""
    started = f"round {round_.number}, started {round_.started.isoformat(sep=' ', timespec='milliseconds')}"
    retries = [f"retried {times(round_.retries)}"] if round_.retries else []
    remarkable = [", ".join(said)] if said else []
    done = round_.completion
    if done is None:
        return [started, *retries, *remarkable, "going on"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(done.rejections.items()))
    return [
        started,
        *retries,
        *remarkable,
        f"complete after {done.seconds:.2f} s: {size(done.bytes_in)} in, {size(done.bytes_out)} out",
        *([f"rejected: {reasons}"] if reasons else []),
        f"model {done.model_digest}",
    ]


def round_table(round_: Round) -> Table:
    """One round: what each selected participant sent, and what was rejected."""
    table = _table("Updates", "participant", "answer", "norm", "bytes", "seconds")
    answered = set()
    for update in round_.updates:
        answered.add(update.participant)
        table.add_row(
            update.participant, "accepted", f"{update.norm:.4g}", size(update.bytes), f"{update.seconds:.2f}"
        )
    for name in round_.selected:
        if name not in answered:
            table.add_row(name, "none", "", "", "")
    for rejection in round_.rejections:
        table.add_row(rejection.participant or "(unknown)", f"rejected: {rejection.reason}", "", "", "")
    return table


def participants_table(history: RunHistory, roles: dict[str, str]) -> Table:
    """Everybody who was seen; ``roles`` are known of a local run only."""
    if history.measurements_only:
        table = _table("Participants", "participant", "role")
        for participant in history.participants:
            known = roles.get(participant.name, "auditor" if participant.auditor else "not known")
            table.add_row(participant.name, known)
        return table
    columns = ["participant", "state", "lost", "updates", "rejected", "last norm", "seconds"]
    table = _table("Participants", *columns, *(["role"] if roles else []))
    for participant in history.participants:
        record = record_of(participant.name, history.rounds)
        row: list[str | Text] = [
            f"{participant.name} (auditor)" if participant.auditor and not roles else participant.name,
            presence(participant),
            str(participant.lost),
            f"{record.accepted} of {record.selected}" if record.selected else "",
            str(record.rejected),
            "" if record.last_norm is None else f"{record.last_norm:.3g}",
            "" if record.median_seconds is None else f"{record.median_seconds:.2f}",
        ]
        table.add_row(*row, *([roles.get(participant.name, "")] if roles else []))
    return table


def presence(participant: Participant) -> Text:
    return Text(participant.presence, style=_PRESENCE_STYLE[participant.presence])


def participant_table(name: str, history: RunHistory, attacks: Collection[int] = ()) -> Table:
    """One participant's rounds; of many the remarkable ones and every n-th."""
    moved = {number for number, who, _ in comings(history) if who == name}
    mine = [
        round_
        for round_ in history.rounds
        if name in round_.selected
        or round_.number in moved
        or any(r.participant == name for r in round_.rejections)
    ]
    said = remarks(history, attacks, name)
    rounds = condensed(mine, ROUNDS_SHOWN, attacks=attacks, remarkable=said.keys())
    table = _table(
        f"{name}, round by round",
        *("round", "answer", "norm", "bytes", "seconds", "note"),
        caption="; ".join([*_left_out(mine, rounds, said), *_norms_explained(rounds, said)]) or None,
    )
    for round_ in rounds:
        answers = _answers(name, round_) or [["", "", "", ""]]
        for i, answer in enumerate(answers):
            note = "" if i else ", ".join(said.get(round_.number, ()))
            table.add_row(str(round_.number), *answer, note)
    return table


def _answers(name: str, round_: Round) -> list[list[str]]:
    """What a participant answered in a round: the answer, its norm, bytes and seconds."""
    updates = [update for update in round_.updates if update.participant == name]
    found = [["accepted", f"{u.norm:.4g}", size(u.bytes), f"{u.seconds:.2f}"] for u in updates]
    found += [[f"rejected: {r.reason}", "", "", ""] for r in round_.rejections if r.participant == name]
    if round_.completion and name in round_.selected and not updates:
        found.append(["none", "", "", ""])
    return found
