"""What the conversation asks its session to do."""

from dataclasses import dataclass, field
from typing import Any, Literal

from participant.jobs import Job
from protocol.encodings import Packed
from protocol.messages import Message


@dataclass(frozen=True, slots=True)
class Send:
    """``carried``: of an update."""

    message: Message
    carried: Packed | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Give this to the worker, which is idle."""

    job: Job


@dataclass(frozen=True, slots=True)
class Cancel:
    """Tell the worker to give up what it does; its outcome is still awaited."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Go on with a new socket: the old connection may be half open."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line of this participant's log."""

    event: str
    fields: dict[str, Any] = field(default_factory=dict)
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class Stop:
    """The conversation is over; without an error it is over well."""

    error: BaseException | None = None


Action = Send | Start | Cancel | Reconnect | Note | Stop
Actions = list[Action]
