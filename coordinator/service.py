"""From the command line's settings to a running daemon: new, or going on from the newest checkpoint."""

import contextlib
import platform
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import zmq

from coordinator.aggregation import AGGREGATIONS, MOST_UPDATES
from coordinator.checkpoints import CheckpointStore
from coordinator.daemon import Daemon, Outcome
from coordinator.federation import Federation
from coordinator.journal import CheckpointDamaged, Journal, RunCompleted, RunResumed, RunStarted
from coordinator.run_dir import RunDirectory
from coordinator.state import FederationState
from coordinator.wakeup import Wakeup
from protocol.addresses import parse_address
from protocol.errors import RunFailed, UsageProblem
from protocol.files import remove_temporary
from protocol.logs import open_log
from protocol.manifest import Parameters
from protocol.messages import PROTOCOL_VERSION
from protocol.scenario import Scenario
from protocol.sockets import RouterSocket

InitialParameters = Callable[[Scenario], Parameters]


@dataclass(frozen=True)
class Settings:
    """``name`` is what the scenario is called in the journal; ``parent``: end when it is no longer that."""

    scenario: Scenario
    name: str
    bind: str
    run_dir: Path
    resume: bool = False
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
    parse_address(settings.bind, for_bind=True)
    if settings.scenario.federation.selected > MOST_UPDATES:
        raise UsageProblem(f"federation.selected must be at most {MOST_UPDATES}")
    AGGREGATIONS.get(settings.scenario.federation.aggregation)
    directory = RunDirectory(settings.run_dir)
    with contextlib.closing(Wakeup()) as wakeup, directory.locked(), wakeup.on_signals():
        for folder in (directory.path, directory.checkpoints):
            remove_temporary(folder)
        if settings.resume:
            directory.reclaim(settings.scenario)
        else:
            directory.claim(settings.scenario)
        return _start(settings, directory, wakeup, initial_parameters)


def _start(
    settings: Settings, directory: RunDirectory, wakeup: Wakeup, initial_parameters: InitialParameters
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
    if checkpoint is None:
        state, model = FederationState(run=secrets.token_hex(8), round=0), initial_parameters(scenario)
    else:
        state, model = checkpoint.state, checkpoint.model
    if state.completed:
        if not directory.says_completed():  # killed between the two
            done = RunCompleted(state.round, model.digest(), state.elapsed_s)
            Journal(open_log(directory.journal, console=settings.console, run=state.run)).write(done)
        return Outcome.COMPLETED
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = RouterSocket(context, settings.bind, manifest=model.manifest)
        # Not before the socket: a port in use must leave nothing that looks like a run.
        journal = Journal(open_log(directory.journal, console=settings.console, run=state.run))
        for problem in damaged:
            journal.write(CheckpointDamaged(problem.path.name, problem.reason))
            store.discard(problem)
        journal.write(_first_line(settings, state, model, socket.endpoint, resumed=checkpoint is not None))
        federation = Federation(
            scenario,
            model.manifest,
            state,
            model_digest=model.digest(),
            split=directory.load_split() if checkpoint else None,
            now=time.monotonic(),
        )
        daemon = Daemon(
            federation,
            model,
            aggregation(model.manifest, scenario.federation),
            socket=socket,
            store=store,
            journal=journal,
            wakeup=wakeup,
            split_path=directory.split,
            parent=settings.parent,
        )
        return daemon.run()
    finally:
        context.destroy()  # the socket as well, where the daemon never came to close it


def _first_line(
    settings: Settings, state: FederationState, model: Parameters, endpoint: str, *, resumed: bool
) -> RunStarted | RunResumed:
    rules = settings.scenario.federation
    versions = {
        "fedmeta": version("fedmeta"),
        "protocol": str(PROTOCOL_VERSION),
        "python": platform.python_version(),
    }
    about = {"endpoint": endpoint, "scenario": settings.name, "model_digest": model.digest()}
    if resumed:
        return RunResumed(round=state.round, seed=rules.seed, rounds=rules.rounds, versions=versions, **about)
    return RunStarted(
        round=state.round,
        started_from=None,
        seed=rules.seed,
        rounds=rules.rounds,
        participants=rules.participants,
        parameters=sum(spec.count for spec in model.manifest.parameters),
        versions=versions,
        **about,
    )
