"""The process that a federation's local processes are forked from: it imported what they need, which takes
each of them seconds otherwise, and its pages are theirs until they write to them.

It is asked on its standard input and answers on its standard output, one JSON object a line. It ends with the
process that asks, and has one thread, so that a fork finds no lock held.
"""

import gc
import os
import select
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter
from setproctitle import setproctitle

# What a coordinator and a participant import by themselves once they know what is to be done.
PRELOADED = (
    "protocol.models",
    "coordinator.cli",
    "coordinator.service",
    "participant.cli",
    "participant.roles",
)


class Begin(BaseModel):
    """Fork a process that runs ``fedmeta ARGUMENTS``; what it prints is appended to ``stderr``."""

    do: Literal["begin"] = "begin"
    id: int
    arguments: list[str]
    stderr: Path


class Signal(BaseModel):
    """Send a signal to it, or to it and all that it started; nothing if it has ended."""

    do: Literal["signal"] = "signal"
    id: int
    number: int
    group: bool = False


class Ended(BaseModel):
    """``exit_code``: negative for the signal that killed it."""

    id: int
    exit_code: int


Request = Annotated[Begin | Signal, Field(discriminator="do")]
REQUESTS: TypeAdapter[Begin | Signal] = TypeAdapter(Request)


def serve() -> Begin | None:
    """Until nobody can ask any more: None. In each forked process, too, it returns: what that is to do."""
    # A signal number is written there as soon as a child ends, so one select waits for both.
    ended, ringing = os.pipe()
    os.set_blocking(ringing, False)
    os.set_blocking(ended, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)
    running: dict[int, int] = {}  # id by pid
    unread = b""
    while True:
        ready, _, _ = select.select([0, ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            _report_ended(running)
        if 0 not in ready:
            continue
        if not (read := os.read(0, 65536)):
            return None
        *lines, unread = (unread + read).split(b"\n")
        for line in lines:
            request = REQUESTS.validate_json(line)
            if isinstance(request, Signal):
                _signal(running, request)
            elif pid := os.fork():
                os.setpgid(pid, pid)
                running[pid] = request.id
            else:
                os.close(ended)
                os.close(ringing)
                return request


def _report_ended(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        answer = Ended(id=running.pop(pid), exit_code=os.waitstatus_to_exitcode(status))
        os.write(1, answer.model_dump_json().encode() + b"\n")


def _signal(running: dict[int, int], request: Signal) -> None:
    for pid, child in running.items():
        if child == request.id:
            # It is ours to wait for, so its number cannot be another's yet, nor its group's.
            (os.killpg if request.group else os.kill)(pid, request.number)


def become(begin: Begin) -> None:
    """Make a forked process what a new one would be: its name, group, signals and standard streams."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    errors = os.open(begin.stderr, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for source, target in ((nothing, 0), (errors, 1), (errors, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(errors)
    sys.argv = ["fedmeta", *begin.arguments]
    setproctitle(" ".join(sys.argv))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in PRELOADED:
        import_module(module)
    gc.collect()
    gc.freeze()  # the children's collections would touch, and so copy, every page
    begin = serve()
    if begin is not None:
        become(begin)
        from deploy.start import main as fedmeta

        fedmeta()


if __name__ == "__main__":
    main()
