"""Ending a federation: nothing is left running on a host that can be reached."""

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.hosts.answers import Stopped
from deploy.hosts.fleet import Fleet
from deploy.hosts.on_host.files import COORDINATOR

STOP_S = 90.0  # the coordinator may write a checkpoint for a minute


@dataclass(frozen=True)
class Ended:
    host: str
    ended: tuple[str, ...]
    killed: tuple[str, ...]
    damaged: tuple[str, ...]


async def down(fleet: Fleet) -> tuple[Ended, ...]:
    """The coordinator first, on its checkpoint: whoever leaves before it would be struck off its roster."""
    first = await _stop(fleet, [fleet.hosts.coordinator.host], [COORDINATOR])
    others = await _stop(fleet, fleet.hosts.hosts, None)
    ended = []
    for host in fleet.hosts.hosts:
        answers = [found[host] for found in (first, others) if host in found]
        ended.append(
            Ended(
                host,
                tuple(name for answer in answers for name in answer.ended),
                tuple(name for answer in answers for name in answer.killed),
                answers[-1].damaged if answers else (),
            )
        )
    return tuple(ended)


async def _stop(fleet: Fleet, hosts: Iterable[str], names: list[str] | None) -> dict[str, Stopped]:
    return await fleet.on_each(
        lambda _, host: host.ask(Stopped, "stop", timeout_s=STOP_S, names=names), hosts
    )
