"""A local run that begins with the model of another one: what its participants take along from there."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from coordinator.origin import Origin
from participant.interrupts import held_back
from protocol.errors import UsageProblem
from protocol.files import write_whole
from protocol.scenario import Scenario


def check_origin(origin: Origin, scenario: Scenario, names: Iterable[str]) -> dict[str, Path]:
    """Which private state each participant goes on with, by name; none where all parameters are shared.

    Raises :class:`UsageProblem` when the scenario cannot begin with that model, or when a participant's state
    is not there any more.
    """
    with held_back():
        from protocol.models import build_network, manifest_of
    network = build_network(scenario, "model")
    shared = manifest_of(network, scenario.model.shared)
    origin.check(scenario, shared)
    if shared == manifest_of(network, "all"):
        return {}
    return private_states(origin, names)


def private_states(origin: Origin, names: Iterable[str]) -> dict[str, Path]:
    """As above, for a model part of which is private."""
    from participant.learning.private_state import private_file

    previous = origin.checkpoint.state.previous
    trained = [name for name in sorted(names) if previous.get(name, 0)]
    if trained and origin.run_dir is None:
        raise UsageProblem(
            f"--from {origin.given}: part of the model is private, and the participants' states are not "
            "beside this file; name the run directory"
        )
    states = {}
    for name in trained:
        assert origin.run_dir is not None
        states[name] = private_file(origin.run_dir / "participants" / name, previous[name])
        if not states[name].is_file():
            raise UsageProblem(
                f"--from {origin.given}: {states[name]} is not there; states of rounds before the last "
                "checkpoints are deleted, so begin with the last checkpoint of a run that ended there"
            )
    return states


def take_along(states: Mapping[str, Path], participants: Path) -> None:
    """Copy each state to where the participant of that name will look for it."""
    for name, path in states.items():
        write_whole(participants / name / path.name, path.read_bytes())
