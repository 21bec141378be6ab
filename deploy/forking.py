"""The launcher's side of the process that its children are forked from (:mod:`deploy.forkserver`)."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Self

from pydantic import BaseModel

from deploy.children import Bell, Child
from deploy.forkserver import Begin, Ended, Signal
from protocol.errors import RunFailed

PROGRAM = (sys.executable, "-m", "deploy.forkserver")


class ForkServer:
    """``pid``: the parent of what it starts. Once it has ended, every method raises :class:`RunFailed`: its
    children end by themselves then."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin.fileno()
        self.answers = process.stdout.fileno()
        self._ids = count()
        self._exit_codes: dict[int, int] = {}
        self._unread = b""

    @classmethod
    @contextmanager
    def running(cls, bell: Bell) -> Iterator[Self]:
        """``bell`` rings when one of its children ends."""
        # What concerns the launcher must not reach the others as their own options. Threads of several
        # processes would fight for the cores.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FEDMETA_")}
        environment.setdefault("OMP_NUM_THREADS", "1")
        with subprocess.Popen(
            PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, process_group=0
        ) as process:
            server = cls(process)
            try:
                with bell.listening_to(server.answers):
                    yield server
            finally:
                process.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, name: str, arguments: Sequence[str], stderr: Path) -> Child:
        """Start ``fedmeta ARGUMENTS``; what it prints is appended to a file."""
        stderr.parent.mkdir(parents=True, exist_ok=True)
        begin = Begin(id=next(self._ids), arguments=list(arguments), stderr=stderr.absolute())
        self._ask(begin)
        return Child(name, Forked(self, begin.id), stderr)

    def exit_code(self, child: int) -> int | None:
        while child not in self._exit_codes and select.select([self.answers], [], [], 0)[0]:
            self._take()
        return self._exit_codes.get(child)

    def await_exit(self, child: int) -> None:
        while child not in self._exit_codes:
            self._take()

    def signal(self, child: int, number: signal.Signals, *, group: bool) -> None:
        self._ask(Signal(id=child, number=number, group=group))

    def _ask(self, request: BaseModel) -> None:
        left = memoryview(request.model_dump_json().encode() + b"\n")
        try:
            while left:
                left = left[os.write(self._requests, left) :]
        except BrokenPipeError as error:
            raise self._gone() from error

    def _take(self) -> None:
        if not (read := os.read(self.answers, 65536)):
            raise self._gone()
        *lines, self._unread = (self._unread + read).split(b"\n")
        for line in lines:
            ended = Ended.model_validate_json(line)
            self._exit_codes[ended.id] = ended.exit_code

    def _gone(self) -> RunFailed:
        return RunFailed(
            f"process {self.pid}, from which all the others are started, has ended with exit code "
            f"{self._process.wait()}"
        )


class Forked:
    """One child of the server."""

    def __init__(self, server: ForkServer, number: int) -> None:
        self._server = server
        self._number = number

    def poll(self) -> int | None:
        return self._server.exit_code(self._number)

    def send_signal(self, number: signal.Signals, /) -> None:
        self._server.signal(self._number, number, group=False)

    def kill_group(self) -> None:
        self._server.signal(self._number, signal.SIGKILL, group=True)
        self._server.await_exit(self._number)
