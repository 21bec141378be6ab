"""All hosts of a federation at once: connecting, asking, and who could not be reached."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from deploy.hosts.hosts_file import HostsFile
from deploy.hosts.remote import Connection, HostProblem, connected

T = TypeVar("T")
CONNECT_S = 10.0


@dataclass
class Fleet:
    """``connections`` and ``lost`` by host: each host is in one of them once it was tried."""

    hosts: HostsFile
    connect_s: float = CONNECT_S
    connections: dict[str, Connection] = field(default_factory=dict)
    lost: dict[str, HostProblem] = field(default_factory=dict)

    async def on_each(
        self, do: Callable[[str, Connection], Awaitable[T]], names: Iterable[str]
    ) -> dict[str, T]:
        """Answers of the hosts among ``names`` that are reached; who fails meanwhile goes to ``lost``."""

        async def on_one(name: str) -> T | None:
            try:
                return await do(name, self.connections[name])
            except HostProblem as problem:
                self.lost[name] = problem
                return None

        answers = await at_all([name for name in names if name in self.connections], on_one)
        for name in self.lost:
            self.connections.pop(name, None)
        return {name: answer for name, answer in answers.items() if answer is not None}

    async def on_all(self, do: Callable[[str, Connection], Awaitable[T]]) -> dict[str, T]:
        """Answers of all hosts. Raises :class:`HostProblem` of the first that fails."""
        return await at_all(self.hosts.hosts, lambda name: do(name, self.connections[name]))

    @property
    def coordinator(self) -> Connection:
        return self.connections[self.hosts.coordinator.host]


@asynccontextmanager
async def reached(hosts: HostsFile, connect_s: float) -> AsyncIterator[Fleet]:
    """Connected to all hosts that can be reached."""
    fleet = Fleet(hosts, connect_s)
    async with AsyncExitStack() as stack:

        async def connect(name: str) -> None:
            try:
                host = hosts.hosts[name]
                fleet.connections[name] = await stack.enter_async_context(
                    connected(name, host, hosts.name, connect_s)
                )
            except HostProblem as problem:
                fleet.lost[name] = problem

        await at_all(hosts.hosts, connect)
        yield fleet


async def at_all(names: Iterable[str], do: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """Do it for all at once; results in the order of the names. The first failure is raised."""
    named = list(names)
    return dict(zip(named, await asyncio.gather(*(do(name) for name in named)), strict=True))
