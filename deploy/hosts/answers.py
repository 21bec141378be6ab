"""What hosts answer, validated where it comes in: a host is not trusted to be well."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

RunStatus = Literal["absent", "starting", "running", "completed", "failed", "interrupted"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Probe(_Answer):
    """``time``: the host's clock, in seconds since 1970. ``folder``: the federation's on it. ``commands``:
    arguments by who runs. ``damaged``: records of processes. ``scenario``: of the run there, as TOML."""

    python: str
    executable: str
    fedmeta: str | None
    time: float
    folder: str
    free_bytes: int
    port_problem: str | None
    open_keys: tuple[str, ...]
    ends_at_logout: bool
    running: tuple[str, ...]
    commands: dict[str, tuple[str, ...]] = {}
    damaged: tuple[str, ...] = ()
    scenario: str | None
    status: RunStatus


class Fit(_Answer):
    """``problems`` by device as it was wanted."""

    problems: dict[str, str]
    gpus: tuple[str, ...]


class Reach(_Answer):
    """``problem``: why the coordinator cannot be reached from a host."""

    problem: str | None


class ProcessState(_Answer):
    """``since``: when it was started, in seconds since 1970 by the host's clock. ``arguments``: after
    ``fedmeta``; empty where an older version started it. ``damaged``: its record, if that says nothing."""

    name: str
    pid: int
    since: float
    alive: bool
    errors: str
    last_words: str
    arguments: tuple[str, ...] = ()
    damaged: str | None = None


class Progress(_Answer):
    """``ready``: who has joined and can be selected. ``waiting``: for what the run waits, if it does."""

    status: RunStatus
    run: str | None
    scenario: str | None
    rounds: int | None
    round: int | None
    ready: tuple[str, ...]
    waiting: str | None
    reason: str | None


class Seen(_Answer):
    processes: tuple[ProcessState, ...]
    progress: Progress


class Stopped(_Answer):
    """``damaged``: records that do not say whom to end."""

    ended: tuple[str, ...]
    killed: tuple[str, ...]
    damaged: tuple[str, ...] = ()
