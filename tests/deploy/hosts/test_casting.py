"""Who runs where, with which command line, and whose key is let in."""

import pytest

from deploy.hosts.casting import admit, cast, check_counts, coordinator_command, participant_command
from deploy.hosts.hosts_file import HostsFile, parse_hosts
from deploy.plan import cast_roles
from protocol.errors import UsageProblem
from protocol.keys import KeyPair
from protocol.scenario import Scenario

HOSTS = """
[coordinator]
host = "alpha"
bind = "tcp://*:5555"
connect = "tcp://alpha.lan:5555"
[hosts.alpha]
malicious = 1
auditors = 1
[hosts.beta]
benign = 3
malicious = 1
devices = ["cuda:0", "cuda:1"]
data_dir = "~/data"
"""


def hosts() -> HostsFile:
    return parse_hosts(HOSTS, default_name="lab", source="hosts.toml")


def test_names_and_roles_are_those_that_a_local_run_gives() -> None:
    assert {part.name: part.role for part in cast(hosts())} == cast_roles(5, 2)


def test_a_hosts_participants_go_through_its_devices_and_attackers_know_how_many_they_are() -> None:
    parts = {part.name: part for part in cast(hosts())}
    at_beta = [part for part in parts.values() if part.host == "beta"]
    assert [part.device for part in at_beta] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert (parts["participant-4"].host, parts["participant-4"].attacker) == ("alpha", "1/2")
    assert (parts["participant-5"].host, parts["participant-5"].attacker) == ("beta", "2/2")


def test_the_coordinator_is_never_told_who_is_malicious() -> None:
    name, arguments, _ = coordinator_command(hosts(), "tiny.toml")
    assert name == "coordinator"
    assert arguments == [
        "coordinator", "start", "tiny.toml", "--bind", "tcp://*:5555", "--run-dir", "run", "--keys", "keys",
    ]  # fmt: skip


def test_a_participant_gets_its_own_key_data_and_device_and_looks_for_its_coordinator_for_ever() -> None:
    part = next(part for part in cast(hosts()) if part.name == "participant-5")
    _, arguments, errors = participant_command(part, hosts().hosts["beta"], "tcp://alpha.lan:5555")
    told = dict(zip(arguments[2::2], arguments[3::2], strict=True))
    assert told == {
        "--coordinator": "tcp://alpha.lan:5555",
        "--name": "participant-5",
        "--role": "malicious",
        "--device": "cuda:1",
        "--patience": "inf",
        "--attacker": "2/2",
        "--data-dir": "~/data",
        "--key": "keys/participant-5.key",
        "--coordinator-key": "keys/coordinator.pub",
        "--state-dir": "participants/participant-5",
        "--log": "participants/participant-5.jsonl",
    }
    assert errors == "participants/participant-5.stderr"


def test_a_scenario_for_another_number_of_participants_is_a_problem_and_so_is_nobody_to_measure() -> None:
    assert check_counts(hosts(), scenario(5)) == []
    assert "have 5 participants" in check_counts(hosts(), scenario(4))[0]
    without = parse_hosts(HOSTS.replace("auditors = 1", ""), default_name="lab", source="hosts.toml")
    assert check_counts(without, scenario(5)) == ["nobody would measure the model; give a host auditors = 1"]


def scenario(participants: int) -> Scenario:
    counts = {"participants": participants, "selected": participants, "min_updates": participants}
    return Scenario.model_validate({"federation": counts, "attack": {"participants": 1}})


def test_keys_are_let_in_once_and_who_was_put_out_stays_out_whatever_key_it_shows() -> None:
    ann, bob = (KeyPair.new(name).public for name in ("ann", "bob"))
    first = admit("", "", {"ann": ann, "bob": bob})
    assert first.allowed == f"ann {ann}\nbob {bob}\n"
    again = admit(first.allowed, first.offered, {"ann": ann, "bob": bob})
    assert (again.allowed, again.revoked) == (first.allowed, ())
    by_hand = f"# bob is out\nann {ann}\n"
    for key in (bob, KeyPair.new("bob").public):
        after = admit(by_hand, first.offered, {"ann": ann, "bob": key})
        assert (after.allowed, after.revoked) == (by_hand, ("bob",))
    allowed_again = f"{by_hand}bob {bob}\n"
    assert admit(allowed_again, after.offered, {"ann": ann, "bob": bob}).revoked == ()


def test_a_new_key_takes_the_place_of_the_old_one_and_so_does_the_old_one_when_it_comes_back() -> None:
    old, new = KeyPair.new("ann").public, KeyPair.new("ann").public
    first = admit("# ours\n", "", {"ann": old})
    second = admit(first.allowed, first.offered, {"ann": new})
    assert (second.allowed, second.replaced) == (f"# ours\nann {new}\n", ("ann",))
    back = admit(second.allowed, second.offered, {"ann": old})
    assert (back.allowed, back.replaced, back.revoked) == (first.allowed, ("ann",), ())


def test_who_was_offered_with_a_key_by_an_older_version_and_put_out_stays_out() -> None:
    old, new = KeyPair.new("ann").public, KeyPair.new("ann").public
    assert admit("", f"ann {old}\n", {"ann": new}).revoked == ("ann",)


def test_an_allow_list_that_is_nonsense_is_not_overwritten() -> None:
    with pytest.raises(UsageProblem, match="allowed, line 1"):
        admit("nonsense\n", "", {"ann": KeyPair.new("ann").public})
