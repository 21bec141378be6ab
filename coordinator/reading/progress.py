"""A run as it goes on: a live display on a terminal, plain lines anywhere else."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from coordinator.reading import events as ev
from coordinator.reading.fold import Reading, evaluation_of
from coordinator.reading.history import Evaluation, RunHistory
from coordinator.reading.pooling import Measured, at_usual_steps, pooled
from coordinator.reading.standing import standing
from coordinator.reading.tables import duration, interval, presence
from coordinator.reading.views import newest_evaluations, phase, record_of, relative_label
from protocol.scenario import Scenario

PLAIN_EVERY_S = 5.0
MEASURING_EVERY_S = 30.0
LIVE_EVERY_S = 0.5
PARTICIPANTS_SHOWN = 20
_ENDS_MEASURING = (ev.RoundStarted, ev.RunCompleted, ev.RunFailed, ev.RunInterrupted)


def _now() -> datetime:
    return datetime.now(UTC)


class Progress(Protocol):
    def update(self, events: Sequence[ev.Event], reading: Reading) -> None:
        """Show what is new; to be called with an empty batch, too, when nothing is."""

    def note(self, line: str) -> None:
        """Show a line that the journal does not hold."""


@contextmanager
def open_progress(console: Console, scenario: Scenario | None) -> Iterator[Progress]:
    """The display that suits the console. Without a scenario, totals and phases are left out."""
    if not console.is_terminal:
        yield PlainProgress(console, scenario)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield LiveProgress(live, scenario)


class PlainProgress:
    """A line for each thing worth knowing; for rounds at most one in ``PLAIN_EVERY_S``."""

    def __init__(self, console: Console, scenario: Scenario | None) -> None:
        self._console = console
        self._scenario = scenario
        self._next_round_line = 0.0
        self._next_measuring_line = 0.0
        self._measured: list[Evaluation] = []

    def update(self, events: Sequence[ev.Event], reading: Reading) -> None:
        completed = [event for event in events if isinstance(event, ev.RoundCompleted)]
        for event in events:
            if isinstance(event, ev.Evaluated):
                self._measured.append(evaluation_of(event, reading))
                continue
            self._note_measured(waiting=not isinstance(event, _ENDS_MEASURING))
            if isinstance(event, ev.RoundCompleted):
                if event is completed[-1] and time.monotonic() >= self._next_round_line:
                    self._next_round_line = time.monotonic() + PLAIN_EVERY_S
                    self.note(self._round_line(event, reading))
            elif line := _line(event):
                self.note(line)
        self._note_measured(waiting=True)
        self._note_what_is_left(reading)

    def _note_what_is_left(self, reading: Reading) -> None:
        """After the last round, measuring may take as long as the rounds did."""
        now = time.monotonic()
        if self._scenario is None or now < self._next_measuring_line:
            return
        final = reading.rounds.get(self._scenario.federation.rounds)
        if final is None or final.completion is None:
            return
        at = standing(reading.history(), self._scenario, _now())
        if at.measuring:
            self._next_measuring_line = now + MEASURING_EVERY_S
            self.note(f"{at.what}{_left_words(at.left)}")

    def _note_measured(self, *, waiting: bool) -> None:
        """A line for each decision; ``waiting``: what participants measure may still be coming in."""
        if waiting and any(evaluation.private for evaluation in self._measured):
            return
        for one in at_usual_steps(pooled(self._measured, {})):
            self.note(_measured_line(one, self._attacks))
        self._measured.clear()

    @property
    def _attacks(self) -> Sequence[int]:
        return self._scenario.attack.rounds if self._scenario else ()

    def _round_line(self, event: ev.RoundCompleted, reading: Reading) -> str:
        line = f"round {event.round}"
        if self._scenario:
            left = standing(reading.history(), self._scenario, _now()).left
            line += f" of {self._scenario.federation.rounds} ({phase(event.round, self._attacks)})"
            line += _left_words(left)
        return f"{line}: {event.received} updates in {event.seconds:.2f} s"

    def note(self, line: str) -> None:
        # A run does not end because nobody reads along any more.
        with suppress(BrokenPipeError):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _left_words(left: float | None) -> str:
    return f", about {duration(left)} left" if left and left >= 0.5 else ""


def _measured_line(one: Measured, attacks: Sequence[int]) -> str:
    shot = f" {one.shot}-shot" if one.shot else ""
    held = ", backdoor class in support" if one.backdoor_in_support else ""
    who = f", mean over {len(one.each)} participants" if one.each[0].private else ""
    return (
        f"round {one.round} ({relative_label(one.round, attacks)}), {one.decision}{shot}{held}{who}: "
        f"main task {interval(one.main_accuracy)}, backdoor {interval(one.attack_train)} "
        f"(attack-train), {interval(one.attack_validation)} (attack-validation)"
    )


def _line(event: ev.Event) -> str | None:
    """The event for people; None for one that is not worth a line."""
    match event:
        case ev.RunStarted(endpoint=endpoint, started_from=str(checkpoint), round=number):
            where = f"coordinator at {endpoint}" if endpoint else "coordinator started"
            return f"{where}, from {checkpoint}, the model after round {number}"
        case ev.RunStarted(endpoint=endpoint):
            return f"coordinator at {endpoint}" if endpoint else "coordinator started"
        case ev.RunResumed(round=number):
            return f"resumed from the checkpoint of round {number}"
        case ev.ParticipantJoined(participant=name):
            return f"{name} joined"
        case ev.ParticipantLost(participant=name):
            return f"{name} is lost"
        case ev.ParticipantRefused(participant=name, reason=reason):
            return f"{name or 'somebody'} was refused: {reason}"
        case ev.RunWaiting(reason="auditor"):
            return "the rounds are over, and the run waits for an auditor to measure what is left"
        case ev.RunWaiting(round=number, reason="attempts"):
            return f"round {number} has had all its attempts and waits for participants or their updates"
        case ev.RunWaiting(round=number, joined=joined, needed=needed):
            return f"round {number} waits for participants: {joined} are ready, {needed} are needed"
        case ev.EvaluationSkipped(round=number, reason=reason, participant=name):
            whose = f" by {name}" if name else ""
            return f"the evaluation after round {number}{whose} was skipped: {reason}"
        case ev.RoundRetried(round=number):
            return f"round {number} had too few updates at its deadline and is retried"
        case ev.RunCompleted():
            return "run completed"
        case ev.RunFailed(reason=reason):
            return f"run failed: {reason}"
        case ev.RunInterrupted():
            return "run interrupted"
    return None


class LiveProgress:
    """The whole state, drawn over itself."""

    def __init__(self, live: Live, scenario: Scenario | None) -> None:
        self._live = live
        self._scenario = scenario
        self._next = 0.0

    def update(self, events: Sequence[ev.Event], reading: Reading) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LIVE_EVERY_S
            self._live.update(dashboard(reading.history(), self._scenario, _now()))

    def note(self, line: str) -> None:
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)


def dashboard(history: RunHistory, scenario: Scenario | None, now: datetime) -> RenderableType:
    """Rounds with the time left, the participants, and the newest evaluation."""
    parts: list[RenderableType] = [_head(history, scenario, now)]
    if history.participants:
        parts += ["", _participants(history)]
    if history.evaluations:
        parts += ["", _newest(history, scenario)]
    return Group(*parts)


def _head(history: RunHistory, scenario: Scenario | None, now: datetime) -> RenderableType:
    number = history.rounds[-1].number if history.rounds else 0
    if scenario is None:
        return Text(f"round {number}")
    at = standing(history, scenario, now)
    text = Text(f"round {number} of {scenario.federation.rounds}  ", style="bold")
    text.append(at.what, style="cyan")
    text.append(_left_words(at.left).replace(",", " "), style="dim")
    return Group(text, ProgressBar(total=at.total, completed=at.behind, width=60))


def _participants(history: RunHistory) -> Table:
    table = Table("participant", "state", "rounds", "last norm", box=None)
    for participant in history.participants[:PARTICIPANTS_SHOWN]:
        record = record_of(participant.name, history.rounds)
        norm = "" if record.last_norm is None else f"{record.last_norm:.3f}"
        rounds = "auditor" if participant.auditor else str(record.accepted)
        table.add_row(participant.name, presence(participant), rounds, norm)
    if len(history.participants) > PARTICIPANTS_SHOWN:
        table.add_row(f"… and {len(history.participants) - PARTICIPANTS_SHOWN} more", "", "", "")
    return table


def _newest(history: RunHistory, scenario: Scenario | None) -> Table:
    newest = at_usual_steps(pooled(newest_evaluations(history), {}))
    attacks = scenario.attack.rounds if scenario else ()
    label = relative_label(newest[0].round, attacks)
    table = Table("decision", "main task", "backdoor, attack-train", "backdoor, attack-validation", box=None)
    table.title, table.title_justify = f"round {newest[0].round} ({label})", "left"
    held = len({one.backdoor_in_support for one in newest}) > 1
    for one in newest:
        name = f"{one.decision} {one.shot}-shot" if one.shot else one.decision
        table.add_row(
            f"{name}, in support" if held and one.backdoor_in_support else name,
            interval(one.main_accuracy),
            interval(one.attack_train),
            interval(one.attack_validation),
        )
    return table
