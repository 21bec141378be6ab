"""Starting a federation: keys, files, coordinator, participants; and what is missing of one that is there."""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy.hosts.answers import ProcessState, Progress, Reach, Seen, Stopped
from deploy.hosts.casting import (
    Part,
    admit,
    cast,
    coordinator_command,
    host_and_port,
    on,
    participant_command,
)
from deploy.hosts.fleet import Fleet, at_all
from deploy.hosts.on_host.files import COORDINATOR
from deploy.hosts.remote import Connection, remote_path
from deploy.hosts.used import forgotten, remedy, remember
from protocol.errors import RunFailed, UsageProblem
from protocol.scenario import Scenario, dump_scenario

LISTEN_S = 120.0  # for a coordinator to import torch, draw its first model and listen
SLICE_S = 5.0  # how long one question to a host may wait there
Say = Callable[[str], None]


@dataclass(frozen=True)
class Launch:
    """``scenario``: with what ``--set`` changed. ``name``: what it is called in the journal."""

    scenario: Scenario
    name: str
    fresh: bool
    patience_s: float


async def up(fleet: Fleet, launch: Launch, say: Say) -> None:
    """Returns once all have joined who are let in. Raises :class:`RunFailed` with who has not, and why."""
    parts = cast(fleet.hosts)
    if launch.fresh:
        await fleet.on_all(lambda _, host: host.ask(type(None), "set_aside"))
    left = forgotten(fleet, await remember(fleet, parts))
    if left:
        say(remedy(fleet, left))
    await _end_strays(fleet, parts, say)
    revoked = await _hand_out_keys(fleet, parts, say)
    await fleet.coordinator.ask(
        type(None), "put", files={f"{launch.name}.toml": dump_scenario(launch.scenario)}
    )
    home = fleet.hosts.coordinator.host
    command = coordinator_command(fleet.hosts, f"{launch.name}.toml")
    begun = await fleet.coordinator.ask(list[str], "start", commands=[command])
    say(f"{home}: coordinator {'started' if begun else 'runs already'}, {fleet.hosts.coordinator.address}")
    await _await(fleet, {home: (COORDINATOR,)}, (), LISTEN_S, "the coordinator does not listen yet")
    await _check_reach(fleet, parts)
    await _start_participants(fleet, parts, say)
    # Nobody waits for those who are not let in.
    awaited = tuple(part for part in parts if part.name not in revoked)
    names = tuple(part.name for part in awaited)
    everyone = {host: tuple(part.name for part in on(host, awaited)) for host in fleet.hosts.hosts}
    everyone[home] = (COORDINATOR, *everyone[home])
    await _await(fleet, everyone, names, launch.patience_s, "not all have joined yet")


async def _end_strays(fleet: Fleet, parts: Sequence[Part], say: Say) -> None:
    """End what runs on a host where the hosts file, which was edited since, does not want it any more."""

    async def end(name: str, host: Connection) -> tuple[str, ...]:
        wanted = {part.name for part in on(name, parts)}
        if name == fleet.hosts.coordinator.host:
            wanted.add(COORDINATOR)
        seen = await host.ask(Seen, "look")
        strays = [process.name for process in seen.processes if process.name not in wanted]
        if not strays:
            return ()
        stopped = await host.ask(Stopped, "stop", names=strays)
        return (*stopped.ended, *stopped.killed)

    for name, ended in (await fleet.on_all(end)).items():
        if ended:
            say(f"{name}: ended {', '.join(ended)}, which the hosts file does not have there any more")


async def _hand_out_keys(fleet: Fleet, parts: Sequence[Part], say: Say) -> tuple[str, ...]:
    """Every host makes its participants' keys, and keeps the secrets to itself; public ones are passed on.
    Who was revoked, and is not let in."""
    home = fleet.hosts.coordinator.host

    async def make(name: str, host: Connection) -> dict[str, str]:
        names = [part.name for part in on(name, parts)] + ([COORDINATOR] if name == home else [])
        return await host.ask(dict[str, str], "make_keys", names=names)

    made = await fleet.on_all(make)
    public = {name: key for keys in made.values() for name, key in keys.items()}
    coordinator = public.pop(COORDINATOR)
    files = ["keys/allowed", "keys/offered"]
    there = await fleet.coordinator.ask(dict[str, str | None], "read", files=files)
    try:
        admission = admit(there[files[0]] or "", there[files[1]] or "", public)
    except UsageProblem as problem:
        raise UsageProblem(f"{home}: keys/{problem}") from problem
    if admission.allowed != there[files[0]]:
        await fleet.coordinator.ask(type(None), "put", files={files[0]: admission.allowed})
    await fleet.coordinator.ask(type(None), "put", files={files[1]: admission.offered})
    for name in admission.replaced:
        say(f"{home}: {name} has a new key, which takes the place of its old one")
    folder = remote_path(f"{fleet.coordinator.folder}/keys")
    for name in admission.revoked:
        say(
            f"{home}: {name} was revoked, and stays so; to let it in again, there: "
            f"fedmeta keys allow {name} {shlex.quote(public[name])} --keys {folder}"
        )
    line = f"{COORDINATOR} {coordinator}\n"
    await fleet.on_all(lambda _, host: host.ask(type(None), "put", files={"keys/coordinator.pub": line}))
    return admission.revoked


async def _check_reach(fleet: Fleet, parts: Sequence[Part]) -> None:
    """A firewall in between is better named than waited for."""
    address, port = host_and_port(fleet.hosts.coordinator.address)

    async def try_it(name: str, host: Connection) -> Reach:
        return await host.ask(Reach, "reach", host=address, port=port)

    for name, answer in (await fleet.on_all(try_it)).items():
        if on(name, parts) and answer.problem is not None:
            home = fleet.hosts.coordinator.host
            await _await(fleet, {home: (COORDINATOR,)}, (), LISTEN_S, "the coordinator does not go on")
            raise RunFailed(
                f"{name}: cannot reach the coordinator at {fleet.hosts.coordinator.address} "
                f"({answer.problem}); let TCP port {port} of {fleet.hosts.coordinator.host} through its "
                "firewall, or correct coordinator.connect in the hosts file"
            )


async def _start_participants(fleet: Fleet, parts: Sequence[Part], say: Say) -> None:
    async def start(name: str, host: Connection) -> list[str]:
        about, address = fleet.hosts.hosts[name], fleet.hosts.coordinator.address
        commands = [participant_command(part, about, address) for part in on(name, parts)]
        return await host.ask(list[str], "start", commands=commands)

    for name, begun in (await fleet.on_all(start)).items():
        here = [part.name for part in on(name, parts)]
        if here:
            running = [other for other in here if other not in begun]
            texts = [f"started {', '.join(begun)}"] if begun else []
            texts += (
                [f"{', '.join(running)} run{'s' if len(running) == 1 else ''} already"] if running else []
            )
            say(f"{name}: {'; '.join(texts)}")


async def _await(
    fleet: Fleet, watched: dict[str, tuple[str, ...]], ready: Sequence[str], patience_s: float, what: str
) -> None:
    """Until the run goes on with all of ``ready``, by the coordinator's journal.

    Raises :class:`RunFailed` as soon as one of the watched processes has ended.
    """
    home, deadline = fleet.hosts.coordinator.host, time.monotonic() + patience_s

    async def watch(name: str) -> Seen:
        return await fleet.connections[name].ask(
            Seen,
            "watch",
            names=watched[name],
            ready=list(ready) if name == home else None,
            seconds=max(0.0, min(SLICE_S, deadline - time.monotonic())) if name == home else 0.0,
        )

    while True:
        seen = await at_all(watched, watch)
        if _all_there(seen[home].progress, ready):
            return
        for name, state in seen.items():
            for process in state.processes:
                if process.name in watched[name] and not process.alive:
                    if (await fleet.coordinator.ask(Seen, "look")).progress.status == "completed":
                        return  # which ends them all
                    raise RunFailed(f"{name}: {process.name} has ended: {said_last(process)}")
        if time.monotonic() >= deadline:
            missing = ", ".join(name for name in ready if name not in seen[home].progress.ready)
            raise RunFailed(
                f"{what} after {patience_s:.0f} s{f': {missing}' if missing else ''}; the processes go on: "
                "look with deploy status, and at their logs with deploy logs"
            )


def _all_there(progress: Progress, ready: Sequence[str]) -> bool:
    joined = progress.status == "running" and set(ready) <= set(progress.ready)
    return joined or progress.status == "completed"


def said_last(process: ProcessState) -> str:
    return process.last_words or f"it said nothing (killed? see dmesg there); its log is {process.errors}"
