"""Processes started by this one: each in a process group of its own, so that a terminal's Ctrl-C reaches only
the launcher, which decides what it means."""

import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Bell:
    """Rings when a child ends or somebody wants this process to end; counts the latter."""

    def __init__(self) -> None:
        self.interrupts = 0
        self._listening, self._ringing = os.pipe()
        self._others: set[int] = set()

    @classmethod
    @contextmanager
    def hung(cls) -> Iterator[Self]:
        """Catches the signals meanwhile; needs the main thread."""
        bell = cls()
        os.set_blocking(bell._listening, False)
        os.set_blocking(bell._ringing, False)
        before: dict[signal.Signals, Any] = {
            number: signal.signal(number, bell._interrupt)
            for number in _INTERRUPTS
            # nohup has it ignored, and means it.
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN)
        }
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        wakeup = signal.set_wakeup_fd(bell._ringing, warn_on_full_buffer=False)
        try:
            yield bell
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(bell._listening)
            os.close(bell._ringing)

    @contextmanager
    def listening_to(self, descriptor: int) -> Iterator[None]:
        """Rings meanwhile for as long as there is something to read there, too."""
        self._others.add(descriptor)
        try:
            yield
        finally:
            self._others.discard(descriptor)

    def wait(self, seconds: float) -> None:
        """Until it rings, at most so long."""
        select.select([self._listening, *self._others], [], [], max(0.0, seconds))
        with suppress(BlockingIOError):
            while os.read(self._listening, 4096):
                pass

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.interrupts += 1


class Process(Protocol):
    """What a child is, however it was started."""

    def poll(self) -> int | None:
        """Its exit code once it has ended; negative: the signal that killed it."""

    def send_signal(self, number: signal.Signals, /) -> None:
        """Nothing if it has ended."""

    def kill_group(self) -> None:
        """End it and whatever it started, at once, and wait for it."""


@dataclass
class Child:
    """A process by name. ``restarts`` counts those since the run last got on."""

    name: str
    process: Process
    stderr: Path
    restarts: int = 0

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that killed it."""
        return self.process.poll()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        self.process.kill_group()

    def last_words(self) -> str:
        """The last line it wrote for people, without its own name in front."""
        lines = self.stderr.read_text(errors="replace").strip().splitlines() if self.stderr.exists() else []
        if not lines:
            return f"ended with exit code {self.exit_code} and said nothing"
        return lines[-1].removeprefix("fedmeta: ")


def end_all(children: Sequence[Child], bell: Bell, grace_s: float) -> None:
    """Ask all to end, wait, and kill those that have not by then, or at a further interrupt."""
    for child in children:
        child.send(signal.SIGTERM)
    await_exit(children, bell, grace_s)
    for child in children:
        child.kill()


def await_exit(children: Sequence[Child], bell: Bell, seconds: float, since: int | None = None) -> bool:
    """Whether all ended in that time; an interrupt meanwhile ends the waiting. ``since``: how many interrupts
    the waiting answers, where these are not all so far."""
    interrupts, deadline = bell.interrupts if since is None else since, time.monotonic() + seconds
    while any(child.exit_code is None for child in children):
        left = deadline - time.monotonic()
        if left <= 0 or bell.interrupts > interrupts:
            return False
        bell.wait(left)
    return True
