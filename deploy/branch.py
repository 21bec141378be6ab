"""A local run that begins with the model of another one: what its participants take along from there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coordinator.origin import Origin
from participant.interrupts import held_back
from participant.packing import NOTHING_LOST, feeds_back, lost_file
from protocol.encodings import ENCODINGS
from protocol.errors import UsageProblem
from protocol.files import write_whole
from protocol.manifest import Manifest
from protocol.scenario import Scenario


@dataclass(frozen=True)
class Taken:
    """A file that the participant of that name goes on with. ``source`` None: there is none, and it begins
    with nothing lost."""

    name: str
    file: str
    source: Path | None


def check_origin(origin: Origin, scenario: Scenario, names: Iterable[str]) -> list[Taken]:
    """What the participants go on with: their private parameters, if there are any, and what the encoding
    lost of their last updates, if that is fed back.

    Raises :class:`UsageProblem` when the scenario cannot begin with that model, or when a participant's state
    is not there any more.
    """
    with held_back():
        from protocol.models import build_network, manifest_of
    network = build_network(scenario, "model")
    shared = manifest_of(network, scenario.model.shared)
    origin.check(scenario, shared)
    previous = origin.checkpoint.state.previous
    trained = {name: previous[name] for name in sorted(names) if previous.get(name, 0)}
    private = [] if shared == manifest_of(network, "all") else private_states(origin, trained)
    return private + what_was_lost(origin, scenario, shared, trained)


def private_states(origin: Origin, trained: Mapping[str, int]) -> list[Taken]:
    """Of a model part of which is private; ``trained``: in which round each participant counted last."""
    from participant.learning.private_state import private_file

    if trained and origin.run_dir is None:
        raise UsageProblem(
            f"--from {origin.given}: part of the model is private, and the participants' states are not "
            "beside this file; name the run directory"
        )
    return [_kept(origin, name, private_file(Path(), number)) for name, number in trained.items()]


def what_was_lost(
    origin: Origin, scenario: Scenario, shared: Manifest, trained: Mapping[str, int]
) -> list[Taken]:
    """As above, where it is fed back. A run that had another encoding has nothing of the kind, and of a
    checkpoint on its own nobody knows."""
    encoding = scenario.federation.encoding
    if not feeds_back(ENCODINGS.get(encoding)(shared), shared):
        return []
    files = [(name, lost_file(Path(), number)) for name, number in trained.items()]
    if origin.scenario is None or origin.scenario.federation.encoding != encoding:
        return [Taken(name, file.name, None) for name, file in files]
    return [_kept(origin, name, file) for name, file in files]


def take_along(taken: Sequence[Taken], participants: Path) -> None:
    """Copy each file to where the participant of that name will look for it."""
    for one in taken:
        data = one.source.read_bytes() if one.source is not None else NOTHING_LOST
        write_whole(participants / one.name / one.file, data)


def _kept(origin: Origin, name: str, file: Path) -> Taken:
    assert origin.run_dir is not None
    source = origin.run_dir / "participants" / name / file
    if not source.is_file():
        raise UsageProblem(
            f"--from {origin.given}: {source} is not there; states of rounds before the last "
            "checkpoints are deleted, so begin with the last checkpoint of a run that ended there"
        )
    return Taken(name, file.name, source)
