"""From the command line's settings to a running daemon: new, with the model of another run, or going on from
the newest checkpoint."""

import contextlib
import platform
import resource
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import zmq

from coordinator.aggregation import AGGREGATIONS, MOST_UPDATES
from coordinator.checkpoints import CheckpointStore
from coordinator.connections import limited
from coordinator.daemon import Daemon, Outcome
from coordinator.doorkeeper import AllowFile, Doorkeeper
from coordinator.federation import Federation
from coordinator.gate import Gate
from coordinator.journal import (
    CheckpointDamaged,
    CheckpointWritten,
    Insecure,
    RunCompleted,
    RunResumed,
    RunStarted,
)
from coordinator.lines import Journal
from coordinator.origin import Origin, open_origin
from coordinator.run_dir import RunDirectory
from coordinator.state import FederationState
from coordinator.wakeup import Wakeup
from protocol.addresses import parse_address
from protocol.encodings import ENCODINGS
from protocol.errors import RunFailed, UsageProblem
from protocol.files import remove_temporary, write_whole
from protocol.key_files import COORDINATOR, read_key
from protocol.keys import KeyPair
from protocol.manifest import Parameters
from protocol.messages import PROTOCOL_VERSION
from protocol.scenario import Scenario
from protocol.sockets import RouterSocket

InitialParameters = Callable[[Scenario], Parameters]


@dataclass(frozen=True)
class Settings:
    """``name`` is what the scenario is called in the journal; ``origin``: the checkpoint that a new run
    begins with, as in :func:`coordinator.origin.open_origin`; ``keys``: the directory with its key and the
    allow-list, None: no keys, which anything but loopback wants to be said ``insecure``; ``parent``: end when
    it is no longer that."""

    scenario: Scenario
    name: str
    bind: str
    run_dir: Path
    resume: bool = False
    origin: str | None = None
    keys: Path | None = None
    insecure: bool = False
    parent: int | None = None
    console: bool = True


def from_model(scenario: Scenario) -> Parameters:
    """θ_0 of the scenario's network."""
    from protocol.models import initial_parameters  # torch takes seconds, and a resumed run needs none

    return initial_parameters(scenario)


def serve(settings: Settings, initial_parameters: InitialParameters = from_model) -> Outcome:
    """Run a coordinator until the run is complete or interrupted.

    Raises :class:`UsageProblem` before anything has begun, :class:`RunFailed` afterwards.
    """
    _check_bind(settings)
    locks = _Locks.of(settings.keys) if settings.keys is not None else None
    if settings.scenario.federation.selected > MOST_UPDATES:
        raise UsageProblem(f"federation.selected must be at most {MOST_UPDATES}")
    AGGREGATIONS.get(settings.scenario.federation.aggregation)
    ENCODINGS.get(settings.scenario.federation.encoding)
    if settings.resume and settings.origin is not None:
        raise UsageProblem("--from begins a new run and --resume goes on with one: leave one of them out")
    directory = RunDirectory(settings.run_dir)
    with contextlib.closing(Wakeup()) as wakeup, directory.locked(), wakeup.on_signals():
        for folder in (directory.path, directory.checkpoints):
            remove_temporary(folder)
        if settings.resume:
            directory.reclaim(settings.scenario)
            return _start(settings, locks, directory, wakeup, initial_parameters, None)
        origin = open_origin(settings.origin) if settings.origin is not None else None
        if origin is not None:
            origin.check(settings.scenario, initial_parameters(settings.scenario).manifest)
        directory.claim(settings.scenario)
        return _start(settings, locks, directory, wakeup, initial_parameters, origin)


@dataclass(frozen=True)
class _Locks:
    key: KeyPair
    allowed: AllowFile

    @classmethod
    def of(cls, directory: Path) -> "_Locks":
        return cls(read_key(directory / f"{COORDINATOR}.key"), AllowFile(directory))


def _check_bind(settings: Settings) -> None:
    loopback = parse_address(settings.bind, for_bind=True).loopback
    if settings.keys is not None and settings.insecure:
        raise UsageProblem(
            "--keys (or FEDMETA_KEYS) lets in whom you allow and --insecure anybody: leave one of them out"
        )
    if settings.keys is None and not settings.insecure and not loopback:
        raise UsageProblem(
            f"{settings.bind}: others can reach this address, so it needs --keys DIR (fedmeta keys new "
            f"{COORDINATOR}, then fedmeta keys allow NAME); --insecure lets anybody in, unencrypted"
        )


def _start(
    settings: Settings,
    locks: _Locks | None,
    directory: RunDirectory,
    wakeup: Wakeup,
    initial_parameters: InitialParameters,
    origin: Origin | None,
) -> Outcome:
    scenario = settings.scenario
    last = scenario.federation.rounds
    aggregation = AGGREGATIONS.get(scenario.federation.aggregation)
    store = CheckpointStore(directory.checkpoints, lambda number: scenario.evaluation.due(number, last))
    checkpoint, damaged = store.newest() if settings.resume else (None, [])
    if checkpoint is None and damaged:
        raise RunFailed(
            f"{directory.checkpoints}: no checkpoint can be used ({damaged[0].reason}); start anew"
        )
    if checkpoint is not None:
        state, model = checkpoint.state, checkpoint.model
    elif origin is not None:
        state, model = origin.first_state(scenario), origin.checkpoint.model
    else:
        state, model = FederationState(run=secrets.token_hex(8), round=0), initial_parameters(scenario)
    open_journal = partial(Journal, directory.journal, wakeup.notify, console=settings.console, run=state.run)
    if state.completed:
        if not directory.says_completed():  # killed between the two
            done = RunCompleted(state.round, model.digest(), state.elapsed_s)
            with contextlib.closing(open_journal()) as journal:
                journal.write(done)
                journal.flush()
        elif settings.console:
            print(
                f"{directory.path}: the run is complete, with {state.round} rounds; nothing is left to do",
                file=sys.stderr,
            )
        return Outcome.COMPLETED
    with contextlib.ExitStack() as stack:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(context.destroy)
        doorkeeper = Doorkeeper(context, locks.allowed) if locks is not None else None
        key = locks.key if locks is not None else None
        socket = RouterSocket(context, settings.bind, manifest=model.manifest, key=key)
        stack.callback(socket.close, 0)  # before the context, which would end its parts in any order
        # Not before the socket: a port in use must leave nothing that looks like a run.
        first = _take_over(origin, state, directory, store) if origin is not None else None
        journal = stack.enter_context(contextlib.closing(open_journal()))
        for problem in damaged:
            journal.write(CheckpointDamaged(problem.path.name, problem.reason))
            journal.flush()
            store.discard(problem)
        if checkpoint is not None:
            journal.write(_resumed(settings, state, model, socket.endpoint))
        else:
            journal.write(_started(settings, state, model, socket.endpoint, origin))
        if settings.insecure:
            journal.write(Insecure(socket.endpoint))
        if first is not None:
            journal.write(first)
        journal.flush()
        encoding = ENCODINGS.get(scenario.federation.encoding)(model.manifest)
        federation = Federation(
            scenario,
            model.manifest,
            state,
            split=directory.load_split() if checkpoint or origin else None,
            now=time.monotonic(),
            update_size=sum(encoding.sizes),
            allowed=locks.allowed.current if locks is not None else None,
        )
        connections = limited(scenario.federation, sum(encoding.sizes), _open_files(), time.monotonic())
        daemon = Daemon(
            federation,
            model,
            aggregation(model.manifest, scenario.federation),
            encoding=encoding,
            socket=socket,
            gate=Gate(federation, socket, connections, doorkeeper),
            store=store,
            journal=journal,
            wakeup=wakeup,
            split_path=directory.split,
            parent=settings.parent,
        )
        return daemon.run()


def _open_files() -> int:
    """As many as the system lets this process have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > soft:
        with contextlib.suppress(OSError, ValueError):  # not allowed: what there is has to do
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 2**20)


def _take_over(
    origin: Origin, state: FederationState, directory: RunDirectory, store: CheckpointStore
) -> CheckpointWritten:
    """Before anything else is there, so that whatever a crash leaves begins with this model or is no run."""
    begun = time.monotonic()
    if origin.split is not None:
        write_whole(directory.split, origin.split.model_dump_json(indent=1).encode())
    path = store.write(state, origin.checkpoint.model)
    return CheckpointWritten(state.round, path.name, time.monotonic() - begun)


def _started(
    settings: Settings, state: FederationState, model: Parameters, endpoint: str, origin: Origin | None
) -> RunStarted:
    rules = settings.scenario.federation
    return RunStarted(
        round=state.round,
        started_from=str(origin.path) if origin is not None else None,
        endpoint=endpoint,
        scenario=settings.name,
        seed=rules.seed,
        rounds=rules.rounds,
        participants=rules.participants,
        parameters=sum(spec.count for spec in model.manifest.parameters),
        model_digest=model.digest(),
        versions=_versions(),
    )


def _resumed(settings: Settings, state: FederationState, model: Parameters, endpoint: str) -> RunResumed:
    rules = settings.scenario.federation
    return RunResumed(
        round=state.round,
        endpoint=endpoint,
        scenario=settings.name,
        seed=rules.seed,
        rounds=rules.rounds,
        model_digest=model.digest(),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    return {
        "fedmeta": version("fedmeta"),
        "protocol": str(PROTOCOL_VERSION),
        "python": platform.python_version(),
    }
