"""Hosts of the laboratory with a real sshd each, and the operator's machine, from which they are deployed to.

with ssh_hosts(tmp_path, cache, "alpha", "beta") as hosts:
    done = hosts.fedmeta("deploy", "check", hosts.file(...))
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from tests.system.lab.hosts import Laboratory, laboratory
from tests.system.processes import FEDMETA

OPERATOR = "operator"
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
SSHD_CONFIG = """
ListenAddress {address}
Port 22
HostKey {folder}/host_key
AuthorizedKeysFile {authorized}
StrictModes no
UsePAM no
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv {environment}
"""


@dataclass(frozen=True)
class SshHosts:
    """``folder`` holds one folder for each host, which is its home there, and the operator's."""

    lab: Laboratory
    folder: Path
    environment: Mapping[str, str]

    def fedmeta(self, *arguments: str | Path, timeout_s: float = 240) -> "subprocess.CompletedProcess[str]":
        """Run a command on the operator's machine."""
        return subprocess.run(
            ["ip", "netns", "exec", self.lab.namespace(OPERATOR), *FEDMETA, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            env=dict(self.environment),
            cwd=self.folder / OPERATOR,
            timeout=timeout_s,
        )

    def file(self, coordinator: str, hosts: Mapping[str, str], port: int = 5555) -> Path:
        """A hosts file; ``hosts``: what stands in their sections beside the address."""
        sections = [
            f"[hosts.{name}]\n"
            + ("" if "address" in keys else f'address = "{self.lab.address(name)}"\n')
            + keys
            for name, keys in hosts.items()
        ]
        path = self.folder / OPERATOR / "lab.toml"
        path.write_text(
            f'[coordinator]\nhost = "{coordinator}"\n'
            f'bind = "tcp://{self.lab.address(coordinator)}:{port}"\n'
            f'[defaults]\npython = "{sys.executable}"\ndevices = "cpu"\n' + "\n".join(sections)
        )
        return path

    def pids(self, host: str) -> set[int]:
        """All processes of a host but sshd and its connections."""
        found = subprocess.run(
            ["ip", "netns", "pids", self.lab.namespace(host)], check=True, capture_output=True, text=True
        )
        return {pid for pid in map(int, found.stdout.split()) if "sshd" not in _command(pid)}

    def kill_all(self, host: str) -> None:
        """What a power cut does."""
        found = subprocess.run(
            ["ip", "netns", "pids", self.lab.namespace(host)], check=True, capture_output=True, text=True
        )
        for pid in map(int, found.stdout.split()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def start_sshd(self, host: str) -> None:
        """Returns once it listens."""
        folder = self.folder / host
        process = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                self.lab.namespace(host),
                SSHD,
                "-D",
                "-e",
                "-f",
                str(folder / "sshd_config"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "Server listening" in line:
                return
        pytest.fail(f"sshd did not start: {''.join(said)}")


@contextmanager
def ssh_hosts(folder: Path, cache: Path, *names: str) -> Iterator[SshHosts]:
    """Skips, with the reason, where there is no sshd or there are no namespaces."""
    if not Path(SSHD).exists():
        pytest.skip("sshd is not installed (apt-get install openssh-server)")
    with laboratory(OPERATOR, *names) as lab:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it, and the system makes it only for its own one
        hosts = SshHosts(lab, folder, _environment(folder / OPERATOR, cache))
        _authorise_operator(folder)
        known = []
        try:
            for name in names:
                known.append(f"{lab.address(name)} {_host_key(folder / name)}")
                variables = {"HOME": str(folder / name), "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
                (folder / name / "sshd_config").write_text(
                    SSHD_CONFIG.format(
                        address=lab.address(name),
                        folder=folder / name,
                        authorized=folder / "authorized_keys",
                        environment=" ".join(f"{key}={value}" for key, value in variables.items()),
                    )
                )
                hosts.start_sshd(name)
            (folder / OPERATOR / ".ssh" / "known_hosts").write_text("".join(known))
            yield hosts
        finally:
            for name in names:
                hosts.kill_all(name)


def _environment(home: Path, cache: Path) -> dict[str, str]:
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("FEDMETA_", "SSH_"))}
    return {**mine, "HOME": str(home), "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def _authorise_operator(folder: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    ssh = folder / OPERATOR / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    key.write_private_key(str(ssh / "id_ed25519"))
    (ssh / "id_ed25519").chmod(0o600)
    key.write_public_key(str(folder / "authorized_keys"))


def _host_key(folder: Path) -> str:
    folder.mkdir(parents=True)
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(folder / "host_key"))
    (folder / "host_key").chmod(0o600)
    return key.export_public_key().decode()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "sshd"  # gone already
