"""Real coordinators and participants for tests: started, watched through their journals, killed at will.

    coordinator = processes.start_coordinator(scenario, run_dir)
    alice = processes.start_participant(coordinator, "alice")
    coordinator.wait_for("round_completed", round=2)
    alice.kill()

Everything that was started has ended when the test ends; a reader here knows only the journal's contract.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
P = TypeVar("P", bound="Process")

FEDMETA = [sys.executable, "-m", "deploy"]
TIMEOUT_S = 60.0
LOOK_S = 0.02
ANY_PORT = "tcp://127.0.0.1:*"

# A federation that runs in seconds: few classes, one step a round.
TINY = """
[federation]
rounds = 3
participants = 2
selected = 2
min_updates = 2
round_deadline_s = 30.0
checkpoint_every = 1
heartbeat_s = 0.2
liveness_s = 5.0
[task]
classes = 30
[task.split]
test = 6
validation = 2
backdoor = 1
[learning]
inner_steps = 1
[attack]
rounds = [2]
steps = 2
images = 4
[evaluation]
rounds = [1]
episodes = 2
adaptation_steps = 1
"""


def write_tiny(folder: Path, name: str = "tiny") -> Path:
    """The tiny scenario as a file; `--set` changes it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(TINY)
    return path


class Process:
    """A process of ``program`` in a group of its own. ``stderr`` is a file beside its other ones; ``host`` is
    a network namespace."""

    def __init__(
        self,
        arguments: Sequence[str],
        stderr: Path,
        environment: dict[str, str],
        host: str | None = None,
        program: Sequence[str] = FEDMETA,
    ) -> None:
        self.arguments = list(arguments)
        self._stderr = stderr
        stderr.parent.mkdir(parents=True, exist_ok=True)
        self._stdout = stderr.with_suffix(".stdout")
        with stderr.open("wb") as errors, self._stdout.open("wb") as output:
            self.popen = subprocess.Popen(
                [*([] if host is None else ["ip", "netns", "exec", host]), *program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment,
                cwd=stderr.parent,  # the installed packages, not those of the current directory
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def interrupt(self) -> None:
        self.send(signal.SIGINT)

    def terminate(self) -> None:
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, to it and to whatever is in its group; it is gone when this returns."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Its exit code."""
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(
                f"still running after {timeout_s} s: {' '.join(self.arguments)}\n{self.stderr}"
            ) from error


def key_options(keys: Path, name: str, coordinator: str = "coordinator.pub") -> tuple[str, ...]:
    """Of a participant, with a directory of keys; ``coordinator``: whose key it takes for the coordinator."""
    return "--key", str(keys / f"{name}.key"), "--coordinator-key", str(keys / coordinator)


class Coordinator(Process):
    """``wait_for`` and ``events`` see what this process logged, not what one before it did."""

    def __init__(
        self,
        arguments: Sequence[str],
        stderr: Path,
        environment: dict[str, str],
        run_dir: Path,
        host: str | None = None,
        program: Sequence[str] = FEDMETA,
    ) -> None:
        self.run_dir = run_dir
        self._before = len(journal(run_dir))
        super().__init__(arguments, stderr, environment, host, program)

    @property
    def endpoint(self) -> str:
        """Its address with the real port, once it listens."""

        def listening() -> str | None:
            starts = ("run_started", "run_resumed")
            return next((str(e["endpoint"]) for e in self.events() if e["event"] in starts), None)

        return until(listening, "the coordinator listens", self)

    def events(self, event: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """What it logged so far: all, or those with that name and those fields."""
        return matching(journal(self.run_dir)[self._before :], event, fields)

    def wait_for(self, event: str, timeout_s: float = TIMEOUT_S, **fields: Any) -> dict[str, Any]:
        """The first such event, now or as soon as it comes."""
        return until(
            lambda: next(iter(self.events(event, **fields)), None), f"{event} {fields}", self, timeout_s
        )


class Processes:
    def __init__(self, environment: dict[str, str], folder: Path, program: Sequence[str] = FEDMETA) -> None:
        self._environment = environment
        self._folder = folder
        self._program = program
        self._started: list[Process] = []

    def fedmeta(self, *arguments: str | Path, **environment: str) -> Process:
        """Any `fedmeta` command."""
        surroundings = {**self._environment, **environment}
        command = [str(argument) for argument in arguments]
        return self._keep(Process(command, self._stderr("fedmeta"), surroundings, program=self._program))

    def start_coordinator(
        self,
        scenario: Path,
        run_dir: Path,
        *more: str,
        bind: str = ANY_PORT,
        resume: bool = False,
        host: str | None = None,
        **environment: str,
    ) -> Coordinator:
        """`fedmeta coordinator start`; its endpoint is known once it listens."""
        arguments = ["coordinator", "start", str(scenario), "--bind", bind, "--run-dir", str(run_dir)]
        arguments += [*(["--resume"] if resume else []), *more]
        stderr = self._stderr("coordinator")
        surroundings = {**self._environment, **environment}
        return self._keep(Coordinator(arguments, stderr, surroundings, run_dir, host, self._program))

    def start_participant(
        self,
        coordinator: Coordinator | str,
        name: str,
        role: str = "benign",
        *more: str,
        host: str | None = None,
        **environment: str,
    ) -> Process:
        """`fedmeta participant start` on the CPU. Started again under its name, it finds its state."""
        endpoint = coordinator if isinstance(coordinator, str) else coordinator.endpoint
        arguments = ["participant", "start", "--coordinator", endpoint, "--name", name, "--role", role]
        arguments += ["--device", "cpu", "--state-dir", str(self._folder / "state" / name), *more]
        surroundings = {**self._environment, **environment}
        return self._keep(Process(arguments, self._stderr(name), surroundings, host, self._program))

    def other(self, program: Sequence[str], *arguments: str) -> Process:
        """Any other program, in the same surroundings."""
        return self._keep(Process(arguments, self._stderr("other"), self._environment, program=program))

    def end(self) -> None:
        for process in self._started:
            process.kill()

    def _stderr(self, name: str) -> Path:
        return self._folder / "output" / f"{len(self._started):02d}-{name}.stderr"

    def _keep(self, process: P) -> P:
        self._started.append(process)
        return process


@contextmanager
def running_in(
    folder: Path, cache: Path, program: Sequence[str] = FEDMETA, **more: str
) -> Iterator[Processes]:
    """Processes whose files are in ``folder``; ``cache`` holds the drawn data set, which tests share; their
    environment has ``more``."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FEDMETA_")}
    environment |= {
        "XDG_CACHE_HOME": str(cache),
        "XDG_STATE_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
        "NO_COLOR": "1",
        **more,
    }
    processes = Processes(environment, folder, program)
    try:
        yield processes
    finally:
        processes.end()


def journal(run_dir: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's journal so far; a torn one is left out."""
    try:
        lines = (run_dir / "journal.jsonl").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    events = []
    for line in lines:
        with suppress(json.JSONDecodeError):
            events.append(json.loads(line))
    return events


def matching(
    events: Sequence[dict[str, Any]], event: str | None, fields: dict[str, Any]
) -> list[dict[str, Any]]:
    return [
        entry
        for entry in events
        if (event is None or entry["event"] == event)
        and all(entry.get(key) == value for key, value in fields.items())
    ]


def digests(run_dir: Path) -> dict[int, str]:
    """Round → model digest; of a round that was done again after a resume the last."""
    return {
        entry["round"]: entry["model_digest"] for entry in matching(journal(run_dir), "round_completed", {})
    }


def until(question: Callable[[], T | None], what: str, process: Process, timeout_s: float = TIMEOUT_S) -> T:
    """The answer to ``question``, asked until it is not None or the process has ended."""
    deadline = time.monotonic() + timeout_s
    while True:
        ended = process.popen.poll()  # before the question: what it did last still counts
        answer = question()
        if answer is not None:
            return answer
        if ended is not None:
            raise AssertionError(f"ended with {ended} before {what}:\n{process.stderr}")
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {timeout_s} s:\n{process.stderr}")
        time.sleep(LOOK_S)  # another process's file: there is nothing to wait on


def processes_that_mention(text: str) -> list[int]:
    """Running processes with this in their command line: the orphans that there should not be."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
            if text in command and state != "Z" and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found
