"""How far a study is: one bar over all runs, weighed by what each will cost; plain lines when piped."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from coordinator.reading.cost import Cost, Estimator
from coordinator.reading.events import Event, RoundCompleted
from coordinator.reading.fold import Reading
from coordinator.reading.tables import duration
from deploy.study.findings import counted
from protocol.scenario import Scenario

PLAIN_EVERY_S = 30.0


class StudyProgress:
    """``costs`` of the runs that are left to do, by id."""

    def __init__(self, console: Console, costs: Mapping[str, Cost], estimator: Estimator) -> None:
        self._console = console
        self._costs = costs
        self._estimator = estimator
        self._total = sum(cost.total for cost in costs.values())
        self._behind = 0.0  # predicted seconds of the runs that are over
        self._over = 0
        self._bar: tuple[Progress, int] | None = None
        self._next_line = time.monotonic() + PLAIN_EVERY_S
        self._said: tuple[str, str, float] | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        columns = BarColumn(bar_width=30), TaskProgressColumn(), TextColumn("{task.description}")
        with Progress(*columns, console=self._console, transient=True) as bars:
            self._bar = (bars, bars.add_task("", total=self._total))
            yield

    def begin(self, run_id: str, scenario: Scenario, first_round: int) -> "RunProgress":
        return RunProgress(self, run_id, scenario, first_round, self._costs[run_id])

    def show(self, run_id: str, what: str, predicted_done: float, predicted_here: float, took: float) -> None:
        """``predicted_done``: of this run, all of it; ``predicted_here``: of it, what was done since this
        study began, in ``took`` seconds."""
        done = min(self._total, self._behind + predicted_done)
        left = self._estimator.left(self._total - done, (predicted_here, took))
        text = f"{run_id}: {what}, about {duration(left)} left"
        if self._bar:
            bars, task = self._bar
            bars.update(bars.task_ids[task], completed=done, description=text)
        elif time.monotonic() >= self._next_line and self._said != (run_id, what, done):
            self._said = run_id, what, done
            self._next_line = time.monotonic() + PLAIN_EVERY_S
            self.note(f"{done / self._total:.0%} {text}" if self._total else text)

    def over(self, run_id: str, predicted_here: float, took: float, outcome: str) -> None:
        self.skip(run_id)
        left = ""
        if outcome == "complete":
            self._estimator.finished(predicted_here, took)
            seconds = self._estimator.left(max(0.0, self._total - self._behind))
            left = f", about {duration(seconds)} left"
        # What ended this run may end the others too, so a failure predicts nothing.
        self.note(
            f"{run_id}: {outcome}, {duration(took)} ({self._over} of {counted(len(self._costs))}{left})"
        )

    def skip(self, run_id: str) -> None:
        """It will not be run, or is over."""
        self._behind += self._costs[run_id].total
        self._over += 1

    def note(self, line: str) -> None:
        # A study does not end because nobody reads along any more.
        with suppress(BrokenPipeError):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class RunProgress:
    """The watcher of one run."""

    def __init__(
        self, study: StudyProgress, run_id: str, scenario: Scenario, first_round: int, cost: Cost
    ) -> None:
        self._study = study
        self._id = run_id
        self._scenario = scenario
        self._first = first_round
        self._cost = cost
        self._round = first_round
        self._began = time.monotonic()
        self._moved = self._began, 0.0  # when something was last done, and what then lay behind
        self._had: float | None = None  # predicted seconds that lay behind when it was taken up

    def update(self, events: Sequence[Event], reading: Reading) -> None:
        if self._had is None:
            completed = [number for number, one in reading.rounds.items() if one.completion]
            self._round = max(completed, default=self._first)
            self._had = 0.0 if not events and self._round == self._first else self._done(reading)
            self._moved = self._began, self._had
        for event in events:
            if isinstance(event, RoundCompleted):
                self._round = event.round
        last = self._scenario.federation.rounds
        what = f"round {self._round} of {last}" if self._round < last else "the last measurements"
        done = self._done(reading)
        # Up to when something was done: what is in progress is not yet known to be slow.
        if done != self._moved[1]:
            self._moved = time.monotonic(), done
        self._study.show(self._id, what, done, done - self._had, self._moved[0] - self._began)

    def note(self, line: str) -> None:
        """What the launcher says of a single process is not the study's to tell."""

    def over(self, outcome: str) -> None:
        here = self._cost.total - (self._had or 0.0)
        self._study.over(self._id, here, time.monotonic() - self._began, outcome)

    def _done(self, reading: Reading) -> float:
        attacks = sum(self._first < number <= self._round for number in self._scenario.attack.rounds)
        evaluated = len({evaluation.round for evaluation in reading.evaluations.values()})
        return self._cost.done(self._round - self._first, attacks, evaluated)
