"""What ``up`` asks of hosts, with hosts that are played."""

import asyncio
import shlex
from typing import Any

import pytest

from deploy.hosts.answers import Reach, Seen, Stopped
from deploy.hosts.casting import cast
from deploy.hosts.fleet import Fleet
from deploy.hosts.up import Launch, _end_strays, _hand_out_keys, up
from protocol.errors import RunFailed
from protocol.keys import KeyPair
from protocol.scenario import Scenario
from tests.deploy.hosts.two_hosts import HOSTS


class PlayedHost:
    """Some processes run; stopping them is written down."""

    def __init__(self, *running: str) -> None:
        self.running = running
        self.stopped: list[str] = []

    async def ask(self, kind: object, do: str, **arguments: Any) -> Any:
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


class KeyedHost:
    """Has keys, and files that are written and read."""

    folder = "~/state/lab"

    def __init__(self, **public: str) -> None:
        self.public = public
        self.files: dict[str, str] = {}

    async def ask(self, kind: object, do: str, **arguments: Any) -> Any:
        if do == "make_keys":
            return {name: self.public[name] for name in arguments["names"]}
        if do == "read":
            return {name: self.files.get(name) for name in arguments["files"]}
        assert do == "put"
        self.files.update(arguments["files"])
        return None


def test_a_replaced_key_is_said_and_who_was_revoked_stays_out_with_the_command_that_lets_it_in() -> None:
    # A key has what a shell would take for its own.
    coordinator, one, new = (KeyPair.new("x").public for _ in range(3))
    old = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
    alpha, beta = (
        KeyedHost(**{"coordinator": coordinator, "participant-1": one}),
        KeyedHost(**{"participant-2": old}),
    )
    fleet = Fleet(HOSTS, connections={"alpha": alpha, "beta": beta})  # type: ignore[dict-item]

    def hand_out() -> list[str]:
        said: list[str] = []
        revoked = asyncio.run(_hand_out_keys(fleet, cast(HOSTS), said.append))
        assert revoked == (("participant-2",) if "revoked" in str(said) else ())
        return said

    assert hand_out() == []
    beta.public["participant-2"] = new
    assert hand_out() == ["alpha: participant-2 has a new key, which takes the place of its old one"]
    alpha.files["keys/allowed"] = f"participant-1 {one}\n"  # keys revoke participant-2
    for key in (old, new):
        beta.public["participant-2"] = key
        assert hand_out() == [
            "alpha: participant-2 was revoked, and stays so; to let it in again, there: "
            f'fedmeta keys allow participant-2 {shlex.quote(key)} --keys "$HOME"/state/lab/keys'
        ]
        assert alpha.files["keys/allowed"] == f"participant-1 {one}\n"


class RunningHost(KeyedHost):
    """Everything that is started runs, and all but participant-2 have joined."""

    def __init__(self, **public: str) -> None:
        super().__init__(**public)
        self.started: list[str] = []

    async def ask(self, kind: object, do: str, **arguments: Any) -> Any:
        if do == "start":
            self.started += [name for name, _, _ in arguments["commands"]]
            return self.started
        if do == "reach":
            return Reach(problem=None)
        if do in ("look", "watch"):
            about = {"pid": 1, "since": 0, "alive": True, "errors": "", "last_words": ""}
            progress = {"status": "running", "run": "ab", "scenario": "tiny", "rounds": 9, "round": 1}
            return Seen.model_validate(
                {
                    "processes": [{"name": name, **about} for name in self.started],
                    "progress": {**progress, "ready": ["participant-1"], "waiting": None, "reason": None},
                }
            )
        return await super().ask(kind, do, **arguments)


def test_nobody_waits_for_who_was_revoked() -> None:
    coordinator, one, two = (KeyPair.new("x").public for _ in range(3))
    alpha, beta = (
        RunningHost(**{"coordinator": coordinator, "participant-1": one}),
        RunningHost(**{"participant-2": two}),
    )
    fleet = Fleet(HOSTS, connections={"alpha": alpha, "beta": beta})  # type: ignore[dict-item]
    launch = Launch(Scenario(), "tiny", fresh=False, patience_s=0.0)
    with pytest.raises(RunFailed, match=r"not all have joined yet after 0 s: participant-2"):
        asyncio.run(up(fleet, launch, lambda _: None))
    alpha.files["keys/allowed"] = f"participant-1 {one}\n"  # keys revoke participant-2
    asyncio.run(up(fleet, launch, lambda _: None))
