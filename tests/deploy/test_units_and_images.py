"""What is written for systemd and for containers, checked as far as that goes without running it."""

import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from coordinator.cli import start as coordinator_start
from participant.cli import start as participant_start

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ("fedmeta-coordinator.service", "fedmeta-participant@.service")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """The options of a command line after ``fedmeta``; an unknown one is an error."""
    command = {"coordinator": coordinator_start, "participant": participant_start}[words[0]]
    assert words[1] == "start"
    return command.make_context("start", list(words[2:])).params


def test_systemd_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for name in UNITS:
        text = (DEPLOY / "systemd" / name).read_text()
        there = text.replace("/opt/fedmeta/bin/fedmeta", "/bin/true")  # it looks for the programs
        (tmp_path / name.replace("@", "@ann")).write_text(there)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, tmp_path.iterdir())],
        check=False,
        capture_output=True,
        text=True,
        env={"SYSTEMD_LOG_LEVEL": "warning", "PATH": "/usr/bin:/bin"},
    )
    if "Failed to" in done.stderr and ".service" not in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_starts_fedmeta_with_a_command_line_that_it_takes(unit: str) -> None:
    line = re.search(r"^ExecStart=(.*)$", (DEPLOY / "systemd" / unit).read_text(), re.MULTILINE)
    assert line is not None
    words = shlex.split(line[1])
    if words[0] == "/bin/sh":
        words = shlex.split(re.sub(r"\$\(.*\)", "--resume", words[2]).removeprefix("exec "))
    values = {"${COORDINATOR}": "tcp://10.0.0.1:5555", "${ROLE}": "benign", "${DEVICE}": "auto", "%i": "ann"}
    arguments = [values.get(word, word) for word in words]
    assert arguments[0] == "/opt/fedmeta/bin/fedmeta"
    options = parsed(arguments[1:])
    assert options.get("bind", "$BIND") == "$BIND"
    assert options.get("role", "benign") == "benign"


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "coordinator"])
def test_a_participants_container_takes_part_as_itself_with_its_own_key(name: str) -> None:
    service = SERVICES[name]
    options = parsed(service["command"])
    assert options["name"] == name
    assert name in str(options["state_dir"])
    assert service["secrets"] == [{"source": name, "target": "key"}, "coordinator.pub"]
    assert COMPOSE["secrets"][name]["file"].endswith(f"/{name}.key")
    assert service["depends_on"] == {"coordinator": {"condition": "service_healthy"}}


def test_the_coordinators_container_listens_where_participants_look_and_goes_on_with_its_run() -> None:
    script = SERVICES["coordinator"]["command"][2].replace("$$", "$")
    assert re.search(r"test ! -e /state/run/journal.jsonl \|\| echo --resume", script)
    options = parsed(
        shlex.split(re.sub(r"\$\(.*\)", "--resume", script).strip().removeprefix("exec fedmeta "))
    )
    port = options["bind"].rpartition(":")[2]
    addresses = {
        parsed(SERVICES[name]["command"])["coordinator"] for name in SERVICES if name != "coordinator"
    }
    assert addresses == {f"tcp://coordinator:{port}"}
    assert f":{int(port):04X} " in SERVICES["coordinator"]["healthcheck"]["test"][1]


def test_nobody_is_root_in_a_container_and_secrets_are_no_part_of_the_image() -> None:
    assert all(service["user"].startswith("${FEDMETA_UID:?") for service in SERVICES.values())
    assert all(service["cap_drop"] == ["ALL"] and service["read_only"] for service in SERVICES.values())
    recipe = (DEPLOY / "container" / "Containerfile").read_text()
    assert re.search(r"^USER 10001$", recipe, re.MULTILINE)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", recipe, re.MULTILINE)
    admitted = (DEPLOY / "container" / "Containerfile.dockerignore").read_text().split("\n")
    assert {path for line in copied for path in line.split()} == {
        line[1:] for line in admitted if line[:1] == "!"
    }
    assert "*" in admitted


def test_health_checks_see_a_port_that_listens_and_a_connection_to_it() -> None:
    if not Path("/proc/net/tcp").exists():
        pytest.skip("there is no /proc/net/tcp here")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert healthy("coordinator", port)
        assert not healthy("participant-1", port)
        with socket.create_connection(("127.0.0.1", port)):
            assert healthy("participant-1", port)
    assert not healthy("coordinator", port)


def healthy(service: str, port: int) -> bool:
    check = SERVICES[service]["healthcheck"]["test"]
    assert check[0] == "CMD-SHELL"
    return subprocess.run(check[1].replace("15B3", f"{port:04X}"), shell=True, check=False).returncode == 0


def test_an_option_that_fedmeta_lacks_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        parsed(["participant", "start", "--rool", "benign"])
