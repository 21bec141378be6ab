"""A federation over several hosts, as its operator has it: real sshd, real processes, hosts that die."""

import json
import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.system.processes import TIMEOUT_S, Processes, digests, journal, matching, write_tiny
from tests.system.ssh_hosts import OPERATOR, SshHosts, ssh_hosts

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
STATE = ".local/state/fedmeta/deploy/lab"
TWO_HOSTS = {"alpha": "benign = 1\nauditors = 1\n", "beta": "malicious = 1\n"}
ENDLESS = ("--set", "federation.rounds=100000", "--set", "evaluation.rounds=[1]")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[SshHosts]:
    with ssh_hosts(tmp_path_factory.mktemp("hosts"), cache, "alpha", "beta", "gamma") as made:
        yield made


def told(hosts: SshHosts, *arguments: str | Path, code: int = 0) -> str:
    """What a command says on stdout, or with another exit code as its last line on stderr."""
    done = hosts.fedmeta("deploy", *arguments)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr.strip().splitlines()[-1]


def states(hosts: SshHosts, file: Path) -> dict[str, str]:
    """Process → state, whatever the exit code."""
    shown = json.loads(hosts.fedmeta("deploy", "status", file, "--json").stdout)
    return {row["name"]: row["state"] for row in shown["processes"]}


def wait_for(run_dir: Path, event: str, count: int = 1) -> dict[str, Any]:
    """The count-th such event in a journal."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        found = matching(journal(run_dir), event, {})
        if len(found) >= count:
            return found[count - 1]
        time.sleep(0.05)  # another process's file: there is nothing to wait on
    raise AssertionError(f"no {event} within {TIMEOUT_S} s in {run_dir}")


def test_processes_outlive_the_connection_and_what_died_is_started_again_and_down_leaves_nothing(
    hosts: SshHosts,
) -> None:
    # As ssh itself would, by the operator's own name for that host.
    config = hosts.folder / OPERATOR / ".ssh" / "config"
    config.write_text(f"Host second\n  HostName {hosts.lab.address('beta')}\n")
    described = {**TWO_HOSTS, "beta": f'address = "second"\n{TWO_HOSTS["beta"]}'}
    scenario, file = write_tiny(hosts.folder / OPERATOR), hosts.file("alpha", described)
    run_dir = hosts.folder / "alpha" / STATE / "run"

    said = told(hosts, "up", file, scenario, *ENDLESS)
    assert "alpha: started participant-1, auditor" in said
    assert "beta: started participant-2" in said
    assert len(hosts.pids("alpha")) == 3
    assert len(hosts.pids("beta")) == 1

    # The hosts file is edited meanwhile: what runs is what it was started as.
    edited = {**described, "beta": described["beta"].replace("malicious", "benign")}
    assert "beta (process)" in told(hosts, "up", hosts.file("alpha", edited), scenario, *ENDLESS, code=2)
    shown = json.loads(told(hosts, "status", file, "--json"))["processes"]
    assert {row["name"]: row["role"] for row in shown}["participant-2"] == "malicious"
    assert next(row["note"] for row in shown if row["name"] == "participant-2").startswith("runs with --role")
    hosts.file("alpha", described)

    # The operator's network goes away: nobody minds, and status says what it does not know.
    done = len(matching(journal(run_dir), "round_completed", {}))
    hosts.lab.cut(OPERATOR)
    lost = told(hosts, "status", file, "--timeout", "1", code=3)
    assert "alpha cannot be reached" in lost
    wait_for(run_dir, "round_completed", done + 1)
    hosts.lab.mend(OPERATOR)

    # A host dies, and the coordinator on another; up says so, and starts what is missing when it is back.
    hosts.kill_all("beta")
    assert "beta (ssh)" in told(hosts, "up", file, scenario, *ENDLESS, code=2)
    record = json.loads((run_dir.parent / "processes" / "coordinator.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    hosts.start_sshd("beta")
    assert states(hosts, file) | {"auditor": "", "participant-1": ""} == {
        "coordinator": "ended", "participant-1": "", "participant-2": "ended", "auditor": "",
    }  # fmt: skip
    said = told(hosts, "up", file, scenario, *ENDLESS)
    assert "alpha: coordinator started" in said
    assert "alpha: participant-1, auditor run already" in said
    assert "beta: started participant-2" in said
    assert set(states(hosts, file).values()) == {"running", "joined"}
    wait_for(run_dir, "run_resumed")

    # One host cannot be reached: the others end, and that one is named.
    hosts.lab.cut("beta")
    assert "could not be reached: beta" in told(hosts, "down", file, "--timeout", "1", code=3)
    assert hosts.pids("alpha") == set()
    hosts.lab.mend("beta")
    assert "beta: ended participant-2" in told(hosts, "down", file)
    assert hosts.pids("beta") == set()
    assert set(states(hosts, file).values()) == {"stopped"}
    assert wait_for(run_dir, "run_interrupted")["reason"]


def test_the_run_is_the_one_that_fedmeta_run_does_and_is_read_here(
    hosts: SshHosts, processes: Processes, tmp_path: Path
) -> None:
    scenario, file = write_tiny(hosts.folder / OPERATOR), hosts.file("alpha", TWO_HOSTS)
    run_dir = hosts.folder / "alpha" / STATE / "run"
    told(hosts, "up", file, scenario, "--new")
    wait_for(run_dir, "run_completed")

    # Secrets are where they belong and nowhere else.
    keys = {name: [*(hosts.folder / name / STATE / "keys").glob("*.key")] for name in ("alpha", "beta")}
    assert {path.stem for path in keys["alpha"]} == {"coordinator", "participant-1", "auditor"}
    assert {path.stem for path in keys["beta"]} == {"participant-2"}
    assert {stat.S_IMODE(path.stat().st_mode) for found in keys.values() for path in found} == {0o600}

    here = tmp_path / "fetched"
    told(hosts, "logs", file, "--run-dir", here)
    without = {"alpha": TWO_HOSTS["alpha"]}
    assert "goes on: beta" in told(hosts, "down", hosts.file("alpha", without), code=3)
    told(hosts, "down", hosts.file("alpha", TWO_HOSTS))
    shown = json.loads(hosts.fedmeta("inspect", here, "--json").stdout)
    assert shown["roles"] == {"participant-1": "benign", "participant-2": "malicious", "auditor": "auditor"}
    assert {path.stem for path in (here / "participants").glob("*.jsonl")} == set(shown["roles"])
    assert not [*here.rglob("*.key")]

    local = processes.fedmeta("run", scenario, "--run-dir", tmp_path / "local", "--device", "cpu")
    assert local.wait(timeout_s=200) == 0, local.stderr
    assert digests(here) == digests(tmp_path / "local")


def test_check_says_of_each_host_what_is_wrong_and_how_to_mend_it(hosts: SshHosts, tmp_path: Path) -> None:
    alpha, beta, gamma = (hosts.lab.address(name) for name in ("alpha", "beta", "gamma"))
    known = hosts.folder / OPERATOR / ".ssh" / "known_hosts"
    other_key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    trusted = [line for line in known.read_text().splitlines() if not line.startswith((beta, gamma))]
    before = known.read_text()
    other_version = tmp_path / "other" / "fedmeta-99.0.dist-info"
    other_version.mkdir(parents=True)
    (other_version / "METADATA").write_text("Metadata-Version: 2.1\nName: fedmeta\nVersion: 99.0\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path / "other"} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    at_alpha = f'address = "{alpha}"\n'
    described = {
        "alpha": "",
        "nopython": f'{at_alpha}python = "/nowhere/python"\nstate_dir = "/tmp/a"\n',
        "version": f'{at_alpha}python = "{python}"\nstate_dir = "{tmp_path}/b"\nbenign = 1\n',
        "nobody": f'{at_alpha}user = "nobody"\n',
        "nodevice": f'{at_alpha}devices = "cuda:7"\nbenign = 1\nstate_dir = "{tmp_path}/c"\n',
        "closed": f'{at_alpha}port = 23\n',
        "silent": 'address = "10.77.31.200"\n',
        "stranger": f'address = "{beta}"\n',
        "changed": f'address = "{gamma}"\n',
    }  # fmt: skip
    key = hosts.folder / "alpha" / STATE / "keys" / "coordinator.key"
    key.parent.mkdir(parents=True, exist_ok=True)
    key.touch()
    key.chmod(0o644)
    known.write_text("\n".join([*trusted, f"{gamma} {other_key}"]))
    try:
        done = hosts.fedmeta("deploy", "check", hosts.file("alpha", described, port=22), "--timeout", "12")
    finally:
        known.write_text(before)
        key.unlink()

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert (
        "alpha (keys, port), nopython (python), version (fedmeta), nobody (ssh), nodevice (device), "
        "closed (ssh), silent (ssh), stranger (ssh), changed (ssh)"
    ) in done.stderr, done.stdout
    for found, remedy in {
        f"others can read {key}": f"chmod 600 {key}",
        f"tcp://{alpha}:22: Address already in use": "change coordinator.bind",
        "no python at /nowhere/python": "install Python 3.11",
        "version 99.0, and": "install the same version",
        f"nobody@{alpha} does not let us in": "ssh-copy-id",
        "--device cuda:7: no such device here": "there are: cpu",
        f"{alpha} cannot be reached (Connection refused)": "see whether sshd runs there",
        f"the host key of {beta} is not known yet": "compare the fingerprint",
        f"{gamma} has another host key": f"ssh-keygen -R {gamma}",
    }.items():
        row = next((line for line in done.stdout.splitlines() if found in line), None)
        assert row is not None, f"{found} is not in {done.stdout}"
        assert remedy in row


def test_a_scenario_that_does_not_go_with_the_hosts_is_an_error_before_anybody_is_called(
    hosts: SshHosts,
) -> None:
    scenario, file = write_tiny(hosts.folder / OPERATOR), hosts.file("alpha", {"alpha": "benign = 3\n"})
    line = told(hosts, "up", file, scenario, code=2)
    assert "the hosts have 3 participants (benign and malicious together) and the scenario 2" in line
