"""What a report says in words, from numbers. Pure."""

from collections.abc import Sequence

from coordinator.reading.pooling import Measured, at_usual_steps, steps_of
from coordinator.reading.report.accuracy import ACCURACIES
from coordinator.reading.report.frames import UpdateRow
from coordinator.reading.report.page import Notice
from coordinator.reading.report.runs import Run
from coordinator.reading.tables import duration, interval, times
from coordinator.reading.views import MEASUREMENTS_ONLY, relative_label

Table = tuple[list[str], list[list[str]]]
NOTHING = "–"


def facts(run: Run) -> list[tuple[str, str]]:
    """What was run, when and with what; what is not known is left out."""
    info, scenario = run.history.info, run.scenario
    found = [("outcome", outcome(run)), ("scenario", info.scenario or "")]
    if scenario:
        found += [("data", f"{scenario.task.dataset}, {scenario.task.way}-way")]
    seed = info.seed if info.seed is not None or scenario is None else scenario.federation.seed
    found += [("seed", "" if seed is None else str(seed)), ("rounds", rounds_done(run))]
    if info.started_from:
        found += [("started from", f"{info.started_from} (round {info.start_round})")]
    if scenario:
        found += [
            ("attack", attack_words(run)),
            ("aggregation", scenario.federation.aggregation),
            ("updates as", scenario.federation.encoding),
            ("model", f"{scenario.model.name}, shared: {scenario.model.shared}"),
        ]
    found += [("participants", participants_words(run))]
    if info.started and info.last_event:
        lasted = duration((info.last_event - info.started).total_seconds())
        found += [("started", f"{info.started:%Y-%m-%d %H:%M:%S} UTC")]
        found += [("so far" if info.status == "running" else "took", lasted)]
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    found += [("versions", versions), ("run", info.run or "")]
    return [(name, value) for name, value in found if value]


def outcome(run: Run) -> str:
    """The status with what belongs to it: "completed, resumed 2 times"."""
    info = run.history.info
    return f"{info.status}, resumed {times(info.resumed)}" if info.resumed else info.status


def rounds_done(run: Run) -> str:
    """The last completed round, of those planned where the scenario is known."""
    done = run.history.completed[-1].number if run.history.completed else 0
    done = run.history.newest if run.history.measurements_only else done
    return f"{done} of {run.scenario.federation.rounds}" if run.scenario else str(done)


def attack_words(run: Run) -> str:
    if run.scenario is None:
        return "not known"
    attack = run.scenario.attack
    if not attack.rounds:
        return "none"
    if len(attack.rounds) == 1:
        return f"{attack.name}, round {attack.rounds[0]}"
    return f"{attack.name}, {len(attack.rounds)} rounds, {attack.rounds[0]} to {attack.rounds[-1]}"


def participants_words(run: Run) -> str:
    """How many there were, and of which roles where these are known."""
    if run.roles:
        counts = {
            role: sum(r == role for r in run.roles.values()) for role in sorted(set(run.roles.values()))
        }
        return ", ".join(f"{count} {role}" for role, count in counts.items())
    joined = [p for p in run.history.participants if p.joined]
    auditors = sum(p.auditor for p in joined)
    return f"{len(joined) - auditors} and {counted(auditors, 'auditor')}; other roles not known"


def counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def notices(run: Run) -> list[Notice]:
    """What to know about a run before reading on."""
    history, found = run.history, []
    if history.info.status == "running":
        text = "this run is still running, or was killed: what follows is what its journal says so far."
        found.append(Notice(f"{run.label}: {text}", "warning"))
    elif history.info.status != "completed":
        ended = "failed" if history.info.status == "failed" else f"was {history.info.status}"
        why = f": {history.info.reason}" if history.info.reason else "."
        found.append(Notice(f"{run.label}: this run {ended} before its last round{why}", "problem"))
    if history.unreadable:
        lines = counted(history.unreadable, "line")
        found.append(
            Notice(f"{run.label}: {lines} of the journal could not be read, left out here.", "warning")
        )
    if history.measurements_only:
        found.append(Notice(f"{run.label}: {MEASUREMENTS_ONLY}.", "note"))
    if run.scenario is None:
        text = "its directory holds no scenario.toml, so it is not known when the attack was."
        found.append(Notice(f"{run.label}: {text}", "warning"))
    if history.skipped:
        reasons = ", ".join(sorted({skipped.reason for skipped in history.skipped}))
        missing = f"{counted(len(history.skipped), 'measurement')} missing: {reasons}."
        found.append(Notice(f"{run.label}: {missing}", "warning"))
    return found


def moments(rounds: Sequence[int], attacks: Sequence[int]) -> list[tuple[str, int]]:
    """The measured rounds that an attack is judged by: before it, right after it, and at the end; without
    an attack the first and the last. Each with what it is called."""
    rounds = sorted(set(rounds))
    if not rounds:
        return []
    chosen = [rounds[0]]
    if attacks:
        before = [r for r in rounds if r < min(attacks)][-1:]
        chosen = [*before, *[r for r in rounds if r >= max(attacks)][:1]]
    return [(relative_label(r, attacks), r) for r in dict.fromkeys([*chosen, rounds[-1]])]


def moments_table(run: Run, measured: Sequence[Measured]) -> Table:
    """Header and rows: an accuracy of a decision and case each, at the moments that matter."""
    when = moments([one.round for one in measured], run.attacks)
    shots = len({one.shot for one in measured}) > 1
    cases = len({one.backdoor_in_support for one in measured}) > 1
    header = ["accuracy", "decision", *(["shot"] if shots else []), *(["in support"] if cases else [])]
    at = {(one.round, one.decision, one.case): one for one in measured}
    rows = []
    for name, accuracy in ACCURACIES:
        for decision, (shot, held) in dict.fromkeys((one.decision, one.case) for one in measured):
            found = [at.get((number, decision, (shot, held))) for _, number in when]
            rows.append(
                [
                    name, decision, *([str(shot)] if shots else []), *([yes(held)] if cases else []),
                    *(interval(accuracy(one)) if one else NOTHING for one in found),
                ]
            )  # fmt: skip
    return [*header, *(label for label, _ in when)], rows


def yes(value: bool) -> str:
    return "yes" if value else "no"


def moments_words(run: Run, measured: Sequence[Measured]) -> str:
    """The same as a sentence for each row: what a figure's lines show, for those who cannot see them."""
    header, rows = moments_table(run, measured)
    return ". ".join(
        ", ".join(f"{name} {cell}" for name, cell in zip(header, row, strict=True) if cell != NOTHING)
        for row in rows
    )


def basis(run: Run, measured: Sequence[Measured]) -> str:
    """What backdoor accuracy is, after how much adaptation, and who measured."""
    usual = {one.decision: one.adaptation_steps for one in at_usual_steps(measured)}
    text = f"{definition(run.way)} Adaptation steps before measuring: "
    text += ", ".join(f"{name} {count}" for name, count in usual.items())
    several = any(len(counts) > 1 for counts in steps_of(measured).values())
    text += "; other counts are further down." if several else "."
    return " ".join([text, *measured_by(run, measured)])


def definition(way: int | None) -> str:
    chance = f"about {1 / way:.2g}" if way else "1/K"
    return (
        "Backdoor accuracy is the share of backdoor-class images that a benign user takes for the target "
        f"class; a user who guesses has {chance}."
    )


def measured_by(run: Run, measured: Sequence[Measured]) -> list[str]:
    """Of whom the accuracies are means, in a sentence, where participants measured for themselves."""
    if not measured or not measured[0].each[0].private:
        return []
    counts = sorted({len(one.each) for one in measured})
    who = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    known = (
        "without malicious ones"
        if run.roles
        else "malicious ones may be among them, since there is no roles.json"
    )
    return [
        f"Participants measured, each with its own private part of the model: means are over {who} of them "
        f"({known}), thin lines are single participants, and intervals speak of episodes, not of other "
        "participants."
    ]


def norms_words(loudest: Sequence[UpdateRow]) -> str:
    """Whether an update stands out, said of the largest beside the others of its round."""
    if not loudest:
        return "No round has enough updates to compare their norms."
    top = loudest[0]
    role = f" ({top.role})" if top.role else ""
    text = (
        f"The update that stands out most is in round {top.round}, from {top.participant}{role}: its norm "
        f"{top.norm:.3g} is {top.times_median:.3g} times the median of the others in that round."
    )
    others = (row for row in loudest if not row.attack and row is not top)
    if top.attack and (quiet := next(others, None)):
        text += f" Outside attack rounds the largest is {quiet.times_median:.3g} times (round {quiet.round})."
    return text
