"""Hosts on which something was started are remembered, whatever the hosts file says by now."""

import asyncio
from typing import Any

import pytest

from deploy.hosts.casting import cast
from deploy.hosts.fleet import Fleet
from deploy.hosts.hosts_file import HostsFile, parse_hosts
from deploy.hosts.remote import HostProblem
from deploy.hosts.used import forget, forgotten, remedy, remember, used
from protocol.errors import RunFailed


class Machine:
    """Keeps files."""

    folder = "/state/lab"

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    async def ask(self, _kind: object, do: str, **arguments: Any) -> Any:
        if do == "read":
            return {name: self.files.get(name) for name in arguments["files"]}
        self.files.update(arguments["files"])
        return None


def described(coordinator: str, *names: str) -> HostsFile:
    sections = "".join(f'[hosts.{name}]\naddress = "{name}.lan"\nbenign = 1\n' for name in names)
    text = f'[coordinator]\nhost = "{coordinator}"\nbind = "tcp://10.0.0.1:5555"\n{sections}'
    return parse_hosts(text, default_name="lab", source="hosts.toml")


def fleet_of(hosts: HostsFile, machines: dict[str, Machine]) -> Fleet:
    return Fleet(hosts, connections=dict(machines))  # type: ignore[arg-type]


def started(coordinator: str, machines: dict[str, Machine]) -> Fleet:
    fleet = fleet_of(described(coordinator, *machines), machines)
    asyncio.run(remember(fleet, cast(fleet.hosts)))
    return fleet


def left(fleet: Fleet) -> list[str]:
    return [str(place) for place in forgotten(fleet, asyncio.run(used(fleet)))]


def test_a_host_that_was_taken_out_of_the_file_is_named_until_it_was_ended() -> None:
    alpha, beta, gamma = Machine(), Machine(), Machine()
    started("alpha", {"alpha": alpha, "beta": beta, "gamma": gamma})
    without = started("alpha", {"alpha": alpha, "beta": beta})
    assert left(without) == ["gamma (gamma.lan)"]
    assert [place.name for place in asyncio.run(forget(without, ["alpha", "beta"]))] == ["gamma"]
    line = remedy(without, forgotten(without, asyncio.run(used(without))))
    assert "goes on: gamma (gamma.lan); put it back, then deploy down" in line
    assert line.endswith('on alpha: rm "$HOME"/.local/state/fedmeta/deploy/lab/used.json)')
    again = fleet_of(described("alpha", "alpha", "gamma"), {"alpha": alpha, "gamma": gamma})
    assert asyncio.run(forget(again, ["alpha", "gamma"])) == ()
    assert left(fleet_of(described("alpha", "alpha"), {"alpha": alpha})) == []


def test_a_host_that_is_only_called_otherwise_is_not_taken_for_one_that_is_gone() -> None:
    alpha, beta = Machine(), Machine()
    started("alpha", {"alpha": alpha, "beta": beta})
    assert left(started("alpha", {"alpha": alpha, "delta": beta})) == []


def test_a_host_that_cannot_be_reached_is_not_forgotten_and_stays_on_the_list() -> None:
    alpha, beta = Machine(), Machine()
    started("alpha", {"alpha": alpha, "beta": beta})
    fleet = fleet_of(described("alpha", "alpha", "beta"), {"alpha": alpha})
    fleet.lost["beta"] = HostProblem("ssh", "no answer", "try again")
    assert asyncio.run(forget(fleet, ["alpha"])) == ()
    assert left(fleet_of(described("alpha", "alpha"), {"alpha": alpha})) == ["beta (beta.lan)"]


def test_the_list_is_found_where_the_coordinator_was_once_and_a_damaged_one_is_named() -> None:
    alpha, beta, gamma = Machine(), Machine(), Machine()
    started("alpha", {"alpha": alpha, "beta": beta, "gamma": gamma})
    assert left(started("beta", {"alpha": alpha, "beta": beta})) == ["gamma (gamma.lan)"]
    beta.files["used.json"] = "{"
    with pytest.raises(RunFailed, match=r"beta: /state/lab/used\.json is damaged"):
        left(fleet_of(described("beta", "beta"), {"beta": beta}))
