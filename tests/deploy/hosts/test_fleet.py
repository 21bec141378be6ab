"""Who could not be reached is one host's problem, and the others go on."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from deploy.hosts import remote
from deploy.hosts.fleet import reached
from deploy.hosts.hosts_file import HostsFile, parse_hosts
from deploy.hosts.remote import HostProblem, explained


@pytest.fixture(autouse=True)
def ssh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir(mode=0o700)
    return tmp_path / ".ssh"


def host_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """An SSH server that nobody knows; its port."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[key]) as server:
        yield server.get_port()


def described(port: int, keys: str = "") -> HostsFile:
    return parse_hosts(
        f"""
        [coordinator]
        host = "here"
        bind = "tcp://10.0.0.1:5555"
        [hosts.here]
        local = true
        python = "{sys.executable}"
        benign = 1
        [hosts.there]
        address = "localhost"
        port = {port}
        {keys}
        benign = 1
        """,
        default_name="lab",
        source="hosts.toml",
    )


def problem_of_a_stranger() -> str:
    """What is said of a host that is given by its name, while another one is reached."""

    async def reach() -> str:
        async with listening() as port, reached(described(port), 5.0) as fleet:
            assert list(fleet.connections) == ["here"]
            return str(fleet.lost["there"]).replace(str(port), "PORT")

    return asyncio.run(reach())


def test_a_named_host_whose_key_nobody_knows_is_a_line_though_there_are_known_hosts(ssh_folder: Path) -> None:
    (ssh_folder / "known_hosts").write_text(f"elsewhere {host_key()}\n")
    assert problem_of_a_stranger() == (
        "there: the host key of localhost is not known yet; connect once, and compare the fingerprint: "
        "ssh -p PORT localhost"
    )


def test_a_named_host_with_another_key_than_the_known_one_is_told_from_a_new_one(ssh_folder: Path) -> None:
    (ssh_folder / "known_hosts").write_text(f"localhost {host_key()}\n")
    assert "there: localhost has another host key than known_hosts says" in problem_of_a_stranger()


def test_a_changed_host_key_is_looked_for_where_the_ssh_config_has_it(ssh_folder: Path) -> None:
    (ssh_folder / "config").write_text(
        f"Host box\n  HostName box.lan\n  Port 2222\n  UserKnownHostsFile {ssh_folder}/others\n"
    )
    (ssh_folder / "others").write_text(f"[box.lan]:2222 {host_key()}\n")
    line = str(explained(asyncssh.HostKeyNotVerifiable("no"), "box", None, None))
    assert f"ssh-keygen -R '[box.lan]:2222' -f {ssh_folder}/others, then ssh box" in line


@pytest.mark.parametrize("error", [ValueError("odd"), OSError("odd"), asyncssh.ProtocolError("odd")])
def test_what_nobody_has_foreseen_of_one_host_is_its_own_problem(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> asyncssh.SSHClientConnection:
        raise error

    async def reach() -> str:
        async with reached(described(22), 5.0) as fleet:
            assert list(fleet.connections) == ["here"]
            return str(fleet.lost["there"])

    monkeypatch.setattr(remote, "_connect", fails)
    assert asyncio.run(reach()).startswith(f"there: {type(error).__name__}: odd; see whether ssh itself")


@pytest.fixture
def agent(ssh_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An ssh-agent without keys; a key with a passphrase."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("ssh-agent is not installed (apt-get install openssh-client)")
    identity = ssh_folder / "my key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", identity], check=True)
    socket = Path(tempfile.mkdtemp()) / "agent"  # its path has to be short
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield identity
        process.kill()
    shutil.rmtree(socket.parent)


async def reach_with(identity: Path) -> HostProblem | None:
    """A host that allows that identity: what is wrong with it."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    allowed = asyncssh.import_authorized_keys(identity.with_name(f"{identity.name}.pub").read_text())
    async with asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[key], authorized_client_keys=allowed
    ) as server:
        port = server.get_port()
        known = identity.parent / "known_hosts"
        known.write_text(f"[localhost]:{port} {key.export_public_key().decode()}")
        hosts = described(port, f'identity = "{identity}"')
        async with reached(hosts, 5.0) as fleet:
            return fleet.lost.get("there")


@pytest.mark.parametrize("config", ["", "IdentitiesOnly yes\n"])
def test_an_identity_with_a_passphrase_is_the_agents_to_use(
    agent: Path, ssh_folder: Path, config: str
) -> None:
    (ssh_folder / "config").write_text(config)
    problem = asyncio.run(reach_with(agent))
    assert str(problem) == (
        f"there: identity {agent} has a passphrase, and no agent has let us in with it; "
        f"load it first: ssh-add '{agent}'"
    )
    given = {**os.environ, "SSH_ASKPASS": str(ssh_folder / "ask"), "SSH_ASKPASS_REQUIRE": "force"}
    (ssh_folder / "ask").write_text("#!/bin/sh\necho secret\n")
    (ssh_folder / "ask").chmod(0o700)
    subprocess.run(["ssh-add", "-q", agent], check=True, env=given)
    assert asyncio.run(reach_with(agent)) is None
