"""A hosts file says who runs where; what is wrong in it is one line with file, key and remedy."""

import sys
from pathlib import Path

import pytest

from deploy.hosts import hosts_file
from deploy.hosts.hosts_file import HostsFile, load_hosts, parse_hosts
from protocol.errors import UsageProblem

GOOD = """
[coordinator]
host = "alpha"
bind = "tcp://10.0.0.1:5555"
[defaults]
user = "fed"
venv = "/opt/fedmeta"
[hosts.alpha]
address = "10.0.0.1"
[hosts.beta]
benign = 2
devices = "cuda"
"""


def read(text: str) -> HostsFile:
    return parse_hosts(text, default_name="lab", source="hosts.toml")


def test_hosts_take_over_what_defaults_say_and_may_say_otherwise() -> None:
    hosts = read(GOOD + 'python = "python3.12"\n').hosts
    assert (hosts["alpha"].user, hosts["alpha"].interpreter) == ("fed", "/opt/fedmeta/bin/python")
    assert (hosts["beta"].user, hosts["beta"].interpreter) == ("fed", "python3.12")
    assert hosts["beta"].devices == ("cuda",)
    assert read(GOOD).name == "lab"


def test_this_machine_has_the_interpreter_that_runs_here_unless_the_file_names_another() -> None:
    here = '[coordinator]\nhost = "here"\nbind = "tcp://127.0.0.1:5555"\n'
    here += "[hosts.here]\nlocal = true\nbenign = 1\n"
    assert read(here).hosts["here"].interpreter == sys.executable
    assert read(here + 'python = "python3"\n').hosts["here"].interpreter == "python3"
    assert read(f'{here}[defaults]\nvenv = "/x"\n').hosts["here"].interpreter == "/x/bin/python"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            'host = "alpha"',
            'host = "gamma"',
            "coordinator.host: no host 'gamma' is described here; there are: a",
        ),
        ("benign = 2", 'benign = "2"', "hosts.beta.benign: must be a whole number, at least 0"),
        ("benign = 2", "bening = 2", "hosts.beta.bening: unknown key; known here: user, port"),
        ("benign = 2", "", "hosts: nobody trains; give a host a key benign, for instance benign = 2"),
        (
            "benign = 2",
            'data_dir = "x"',
            "hosts.beta.data_dir: must be a path on the host that begins with / or",
        ),
        ('"cuda"', '"gpu"', "hosts.beta.devices: each must be auto, cpu, mps, cuda or cuda:N, not 'gpu'"),
        (
            '"cuda"',
            "5",
            'hosts.beta.devices: must be "auto", "cpu", "mps", "cuda", "cuda:N" or a list of these',
        ),
        ('user = "fed"', "user = 5", 'defaults.user: must be a text in " ", not 5'),
        (
            'user = "fed"',
            "port = 70000",
            "defaults.port: must be a whole number, at least 1 and at most 65535",
        ),
        (
            "[coordinator]",
            "[coordinatr]",
            "coordinator: missing; it must be a section with the keys host, bind",
        ),
        (
            ":5555",
            ":*",
            "coordinator.bind: must be an address with a port, for instance tcp://192.168.1.20:5555",
        ),
        ("10.0.0.1:", "*:", "coordinator.connect: missing; participants need the one address"),
        (
            'host = "alpha"',
            'host = "alpha"\nconnect = "tcp://*:55"',
            "coordinator.connect: tcp://*:55 is only for listening; write the one address",
        ),
        ("10.0.0.1:", "127.0.0.1:", "coordinator.bind: other hosts cannot reach tcp://127.0.0.1:5555"),
        ('address = "10.0.0.1"', 'address = "beta"', "hosts.beta: the same place as hosts.alpha"),
        (
            "benign = 2",
            'local = true\naddress = "x"',
            "hosts.beta: local is this machine and needs no address",
        ),
        (
            'address = "10.0.0.1"',
            'python = "x"\nvenv = "y"',
            "hosts.alpha: python and venv are two ways to say",
        ),
        ("[hosts.beta]", '[hosts."a b"]', "hosts.a b: a host is named by letters, digits"),
        ("[hosts.alpha]", "[hosts]\nx = 5\n[hosts.alpha]", "hosts.x: must be a section"),
        ("[coordinator]", "[coordinator", "not TOML"),
    ],
)
def test_what_is_wrong_names_file_key_and_remedy(old: str, new: str, line: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        read(GOOD.replace(old, new))
    assert str(problem.value).startswith(f"hosts.toml: {line}")
    assert "\n" not in str(problem.value)


def test_the_projects_own_example_is_valid() -> None:
    example = Path(hosts_file.__file__).with_name("example.toml")
    assert load_hosts(example).coordinator.host == "server"
