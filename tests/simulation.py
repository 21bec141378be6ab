"""The rounds of a federation in one process, without sockets, clocks or daemons."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from coordinator.aggregation import AGGREGATIONS
from coordinator.selection import first_shares, select
from participant.device import prepare_device
from participant.packing import Packer
from participant.roles import open_role
from protocol.encodings import ENCODINGS
from protocol.manifest import Parameters
from protocol.messages import Share, Train
from protocol.models import initial_parameters
from protocol.scenario import Scenario

RUN = "0" * 32


def simulate(scenario: Scenario, roles: Mapping[str, str], folder: Path) -> dict[int, str]:
    """Round → model digest, for participants of these names and roles."""
    return {number: model.digest() for number, model in rounds(scenario, roles, folder)}


def rounds(scenario: Scenario, roles: Mapping[str, str], folder: Path) -> Iterator[tuple[int, Parameters]]:
    """One after the other, each with its model."""
    rules = scenario.federation
    device = prepare_device("cpu", "simulation")
    workers = {
        name: open_role(role, scenario, name=name, device=device, data_dir=None, state_dir=folder / name)
        for name, role in roles.items()
    }
    model = initial_parameters(scenario)
    encoding = ENCODINGS.get(rules.encoding)(model.manifest)
    packers = {name: Packer(encoding, model.manifest, folder / name) for name in workers}
    shares = first_shares(workers, {}, rules.participants)
    previous = dict.fromkeys(workers, 0)
    for number in range(1, rules.rounds + 1):
        updates = AGGREGATIONS.get(rules.aggregation)(model.manifest, rules)
        selected = select(rules.seed, number, 1, list(workers), rules.selected)
        for name in selected:
            share = Share(index=shares[name], count=rules.participants)
            order = Train(run=RUN, round=number, share=share, previous=previous[name], keep_from=0)
            delta = workers[name].train(order, model, lambda: False)
            updates.add(encoding.decode(packers[name].pack(order, delta).frames()))
        previous.update(dict.fromkeys(selected, number))
        model = updates.step(model, rules.server_rate.at(number))
        yield number, model
