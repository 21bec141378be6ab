"""On which hosts a federation was started: what an edited hosts file has forgotten is named, not left alone.

A folder that was used has a number of its own, so that a host which is only called otherwise, or reached by
another address, is not taken for another one. The coordinator's host keeps the list.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from deploy.hosts.casting import Part, on
from deploy.hosts.fleet import Fleet
from deploy.hosts.hosts_file import Host
from deploy.hosts.remote import Connection, remote_path
from protocol.errors import RunFailed

NUMBER, LIST = "number", "used.json"


class Place(BaseModel):
    """What the hosts file said of it: the host's name and how it was reached, for people."""

    model_config = ConfigDict(frozen=True)
    name: str
    at: str

    def __str__(self) -> str:
        # From a host, which is not to speak to the terminal.
        return "".join(c for c in f"{self.name} ({self.at})" if c.isprintable())


PLACES = TypeAdapter(dict[str, Place])


@dataclass(frozen=True)
class Used:
    """``numbers``: by host, of those that are reached and were used. ``places``: by number, all that were
    used. ``lists``: which hosts have a list; one that was the coordinator's once may be among them."""

    numbers: dict[str, str]
    places: dict[str, Place]
    lists: tuple[str, ...]


async def used(fleet: Fleet) -> Used:
    """By the hosts that are reached. Raises :class:`RunFailed` for a list that is damaged."""

    async def read(_: str, host: Connection) -> dict[str, str | None]:
        return await host.ask(dict[str, str | None], "read", files=[NUMBER, LIST])

    found = await fleet.on_each(read, fleet.hosts.hosts)
    places: dict[str, Place] = {}
    for name, files in found.items():
        try:
            places |= PLACES.validate_json(files[LIST] or "{}")
        except ValidationError as error:
            path = f"{fleet.connections[name].folder}/{LIST}"
            raise RunFailed(
                f"{name}: {path} is damaged, so hosts that are not in the hosts file any more are not known; "
                "end what runs on those, then delete it"
            ) from error
    numbers = {name: number for name, files in found.items() if (number := files[NUMBER]) is not None}
    return Used(numbers, places, tuple(name for name, files in found.items() if files[LIST] is not None))


def forgotten(fleet: Fleet, known: Used) -> tuple[Place, ...]:
    """Those that are not in the hosts file any more. One of a name that cannot be reached now may be that."""
    there = set(known.numbers.values())
    return tuple(
        place
        for number, place in known.places.items()
        if number not in there and place.name not in fleet.lost
    )


def remedy(fleet: Fleet, places: Iterable[Place]) -> str:
    home = fleet.hosts.coordinator.host
    path = f"{fleet.hosts.hosts[home].state_dir.rstrip('/')}/{fleet.hosts.name}/{LIST}"
    return (
        "not in the hosts file any more, and what was started there goes on: "
        f"{', '.join(map(str, places))}; put it back, then deploy down (if it is gone for good, on {home}: "
        f"rm {remote_path(path)})"
    )


async def remember(fleet: Fleet, parts: Iterable[Part]) -> Used:
    """Put all hosts on which something is to run on the list."""
    known, home = await used(fleet), fleet.hosts.coordinator.host
    parts = tuple(parts)
    for name, host in fleet.hosts.hosts.items():
        if name == home or on(name, parts):
            if name not in known.numbers:
                known.numbers[name] = secrets.token_hex(8)
                await fleet.connections[name].ask(type(None), "put", files={NUMBER: known.numbers[name]})
            known.places[known.numbers[name]] = Place(name=name, at=_at(name, host))
    await _write(fleet, [home], known.places)
    return known


async def forget(fleet: Fleet, ended: Iterable[str]) -> tuple[Place, ...]:
    """Take hosts off the list on which nothing runs any more; which are left that nobody has ended."""
    known = await used(fleet)
    for name in ended:
        known.places.pop(known.numbers.get(name, ""), None)
    await _write(fleet, known.lists, known.places)
    return forgotten(fleet, known)


async def _write(fleet: Fleet, hosts: Iterable[str], places: dict[str, Place]) -> None:
    text = PLACES.dump_json(places, indent=2).decode() + "\n"
    await fleet.on_each(lambda _, host: host.ask(type(None), "put", files={LIST: text}), hosts)


def _at(name: str, host: Host) -> str:
    if host.local:
        return "the machine from which it was started"
    user, port = f"{host.user}@" if host.user else "", f":{host.port}" if host.port else ""
    return f"{user}{host.address or name}{port}"
