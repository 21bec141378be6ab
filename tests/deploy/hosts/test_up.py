"""What ``up`` asks of hosts, with hosts that are played."""

import asyncio
from typing import Any

from deploy.hosts.answers import Seen, Stopped
from deploy.hosts.casting import cast
from deploy.hosts.fleet import Fleet
from deploy.hosts.up import _end_strays
from tests.deploy.hosts.two_hosts import HOSTS


class PlayedHost:
    """Some processes run; stopping them is written down."""

    def __init__(self, *running: str) -> None:
        self.running = running
        self.stopped: list[str] = []

    async def ask(self, _kind: object, do: str, **arguments: Any) -> Any:
        if do == "stop":
            self.stopped += arguments["names"]
            return Stopped(ended=tuple(arguments["names"]), killed=())
        progress = {"status": "absent", "run": None, "scenario": None, "rounds": None, "round": None}
        nothing = {"pid": 1, "since": 0, "alive": True, "errors": "", "last_words": ""}
        return Seen.model_validate(
            {
                "processes": [{"name": name, **nothing} for name in self.running],
                "progress": {**progress, "ready": (), "waiting": None, "reason": None},
            }
        )


def test_what_an_edited_hosts_file_has_elsewhere_by_now_is_ended_where_it_was() -> None:
    alpha, beta = (
        PlayedHost("coordinator", "participant-1"),
        PlayedHost("coordinator", "participant-2", "auditor"),
    )
    fleet = Fleet(HOSTS, connections={"alpha": alpha, "beta": beta})  # type: ignore[dict-item]
    said: list[str] = []
    asyncio.run(_end_strays(fleet, cast(HOSTS), said.append))
    assert (alpha.stopped, beta.stopped) == ([], ["coordinator", "auditor"])
    assert said == ["beta: ended coordinator, auditor, which the hosts file does not have there any more"]
