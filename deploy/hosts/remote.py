"""Getting to a host and asking it, over SSH or on this machine; each way to fail is a line with a remedy."""

import asyncio
import base64
import json
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import asyncssh
from pydantic import TypeAdapter

from deploy.hosts.hosts_file import Host
from deploy.hosts.on_host.agent import MARK
from protocol.errors import RunFailed

MODULES = ("files", "progress", "processes", "looking", "agent")  # each uses only those before it
KEEPALIVE_S, KEEPALIVES = 5, 3  # a connection whose other end is gone is noticed in this time
ANSWER_S = 120.0  # a slow host still imports torch in this time
LOADER = """import sys, types
for name, text in {modules!r}:
    sys.modules[name] = module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main({request!r})
"""
T = TypeVar("T")


class HostProblem(RunFailed):
    """``item``: what about the host is wrong, in a word; ``remedy``: what would help."""

    def __init__(self, item: str, text: str, remedy: str, host: str = "") -> None:
        super().__init__(f"{host}: {text}; {remedy}" if host else f"{text}; {remedy}")
        self.item, self.text, self.remedy = item, text, remedy

    def at(self, host: str) -> "HostProblem":
        return HostProblem(self.item, self.text, self.remedy, host)


@dataclass(frozen=True)
class Finished:
    status: int
    stdout: bytes
    stderr: bytes


class Shell(Protocol):
    async def run(self, program: bytes, timeout_s: float) -> Finished:
        """Have the host's python run a program; raises TimeoutError, or HostProblem for a lost connection."""


class Connection:
    """A host that was reached. ``folder``: the federation's folder there."""

    def __init__(self, name: str, shell: Shell, interpreter: str, folder: str) -> None:
        self.name, self.folder = name, folder
        self._shell, self._interpreter = shell, interpreter

    async def ask(self, kind: type[T], do: str, *, timeout_s: float = ANSWER_S, **arguments: Any) -> T:
        """Have the agent do something; its answer as ``kind``. Raises :class:`HostProblem`."""
        try:
            finished = await self._shell.run(
                program(json.dumps({"do": do, "dir": self.folder, **arguments})), timeout_s
            )
            return TypeAdapter[T](kind).validate_python(self._answer_of(finished))
        except HostProblem as problem:
            raise problem.at(self.name) from problem
        except TimeoutError as error:
            busy = HostProblem(
                "ssh", f"no answer within {timeout_s:.0f} s", "see what keeps it busy, try again"
            )
            raise busy.at(self.name) from error
        except (asyncssh.Error, OSError) as error:
            raise unforeseen(error, self.name) from error
        except ValueError as error:  # no JSON, or not what was asked for
            text = f"an answer that cannot be read ({type(error).__name__})"
            raise HostProblem("python", text, "see what its login scripts print", self.name) from error

    async def unpack(self, **arguments: Any) -> bytes:
        """A compressed tar of logs."""
        packed: str = await self.ask(str, "pack", **arguments)
        return base64.b64decode(packed)

    def _answer_of(self, finished: Finished) -> Any:
        # Behind whatever the login scripts of that account print.
        said = [
            line for line in finished.stdout.decode(errors="replace").splitlines() if line.startswith(MARK)
        ]
        if not said:
            raise _no_answer(finished, self._interpreter)
        answer = json.loads(said[-1].removeprefix(MARK))
        if "problem" in answer:
            text, _, remedy = answer["problem"].partition("; ")
            raise HostProblem("folder", text, remedy or "mend that, or choose another state_dir")
        return answer["answer"]


def program(request: str) -> bytes:
    """The agent with a request, as one Python program that needs nothing on the host."""
    folder = files("deploy.hosts.on_host")
    modules = [
        (f"deploy.hosts.on_host.{m}", (folder / f"{m}.py").read_text(encoding="utf-8")) for m in MODULES
    ]
    return LOADER.format(modules=modules, request=request).encode()


def _no_answer(finished: Finished, interpreter: str) -> HostProblem:
    words = finished.stderr.decode(errors="replace").strip().splitlines()
    last = words[-1] if words else f"exit code {finished.status}"
    if finished.status in (126, 127):
        return HostProblem(
            "python",
            f"no python at {interpreter} ({last})",
            "install Python 3.11 or newer and fedmeta there, and name it by venv or python in the hosts file",
        )
    return HostProblem(
        "python",
        f"{interpreter} fails: {last}",
        "name a Python 3.11 or newer by venv or python in the hosts file",
    )


@asynccontextmanager
async def connected(name: str, host: Host, federation: str, connect_s: float) -> AsyncIterator[Connection]:
    """Raises :class:`HostProblem` where it cannot be reached, or is not who it should be."""
    folder = f"{host.state_dir.rstrip('/')}/{federation}"
    if host.local:
        yield Connection(name, LocalShell(host.interpreter), host.interpreter, folder)
        return
    try:
        connection = await _connect(name, host, connect_s)
    except HostProblem as problem:
        raise problem.at(name) from problem
    except (asyncssh.Error, OSError, ValueError) as error:
        # Nobody has foreseen it, and one host's odd set-up is no reason to leave the others alone.
        raise unforeseen(error, name) from error
    async with connection:
        yield Connection(name, SshShell(connection, host.interpreter), host.interpreter, folder)


@dataclass(frozen=True)
class LocalShell:
    interpreter: str

    async def run(self, program: bytes, timeout_s: float) -> Finished:
        interpreter = Path(self.interpreter).expanduser()
        try:
            process = await asyncio.create_subprocess_exec(
                str(interpreter) if "/" in self.interpreter else self.interpreter,
                "-",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=Path.home(),
            )
        except OSError as error:
            return Finished(127, b"", (error.strerror or str(error)).encode())
        try:
            stdout, stderr = await asyncio.wait_for(process.communicate(program), timeout_s)
        except (TimeoutError, asyncio.CancelledError):
            process.kill()
            raise
        return Finished(process.returncode or 0, stdout, stderr)


@dataclass(frozen=True)
class SshShell:
    connection: asyncssh.SSHClientConnection
    interpreter: str

    async def run(self, program: bytes, timeout_s: float) -> Finished:
        try:
            done = await asyncio.wait_for(
                self.connection.run(f"{remote_path(self.interpreter)} -", input=program, encoding=None),
                timeout_s,
            )
        except (asyncssh.Error, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise HostProblem(
                "ssh",
                f"the connection was lost ({_reason(error)})",
                "see whether the host is up, then try again",
            ) from error
        return Finished(done.exit_status or 0, _bytes(done.stdout), _bytes(done.stderr))


def remote_path(path: str) -> str:
    """A path for the shell of a host, where ``~`` is that account's home."""
    return f'"$HOME"/{shlex.quote(path[2:])}' if path.startswith("~/") else shlex.quote(path)


def _bytes(output: Any) -> bytes:
    return output if isinstance(output, bytes) else str(output or "").encode()


async def _connect(name: str, host: Host, connect_s: float) -> asyncssh.SSHClientConnection:
    address = host.address or name
    # What is left out comes from ~/.ssh/config, as with ssh itself; host keys from its known_hosts.
    given: dict[str, Any] = {"username": host.user, "port": host.port}
    identity = _identity(Path(host.identity).expanduser()) if host.identity is not None else None
    if identity is not None:
        # One with a passphrase is the agent's to use, as with ssh itself.
        given |= {"client_keys": [str(identity)], "ignore_encrypted": True}
    options = {key: value for key, value in given.items() if value is not None}
    try:
        return await asyncio.wait_for(
            asyncssh.connect(
                address,
                **options,
                connect_timeout=connect_s,
                login_timeout=connect_s,
                keepalive_interval=KEEPALIVE_S,
                keepalive_count_max=KEEPALIVES,
            ),
            2 * connect_s,
        )
    except (asyncssh.Error, OSError, ValueError) as error:
        if isinstance(error, asyncssh.PermissionDenied) and identity is not None and _is_encrypted(identity):
            raise HostProblem(
                "ssh",
                f"identity {identity} has a passphrase, and no agent has let us in with it",
                f"load it first: ssh-add {shlex.quote(str(identity))}",
            ) from error
        raise explained(error, address, host.user, host.port) from error


def _is_encrypted(path: Path) -> bool:
    try:
        asyncssh.read_private_key(path)
    except asyncssh.KeyEncryptionError:
        return True
    except asyncssh.KeyImportError as error:
        return str(error).startswith("Passphrase")  # asyncssh has no class of its own for it
    return False


def _identity(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise HostProblem("ssh", f"identity {path}: {error.strerror}", "name a private key file") from error
    if mode & 0o077:
        raise HostProblem(
            "ssh", f"identity {path}: others can read it", f"chmod 600 {shlex.quote(str(path))}"
        )
    return path


def explained(error: Exception, address: str, user: str | None, port: int | None) -> HostProblem:
    """Why a host was not reached, and what would help."""
    account = f"{user}@{address}" if user else address
    ssh = f"ssh {f'-p {port} ' if port else ''}{account}"
    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _host_key(address, port, ssh)
        case asyncssh.PermissionDenied():
            return HostProblem(
                "ssh",
                f"{account} does not let us in",
                f"try: {ssh.replace('ssh', 'ssh-copy-id', 1)}, or add your key: ssh-add",
            )
        case asyncssh.KeyEncryptionError():
            return HostProblem("ssh", f"the key for {account} has a passphrase", "load it first: ssh-add")
        case asyncssh.ConfigParseError() | asyncssh.KeyImportError() | ValueError():
            return HostProblem("ssh", f"SSH set-up: {error}", "mend ~/.ssh/config, or the key that it names")
        case TimeoutError():
            return HostProblem(
                "ssh", f"{address} does not answer", "see whether it is up, and its address right"
            )
        case _:
            return HostProblem(
                "ssh",
                f"{address} cannot be reached ({_reason(error)})",
                f"see whether sshd runs there: {ssh}",
            )


def _host_key(address: str, port: int | None, ssh: str) -> HostProblem:
    # As ~/.ssh/config has it: HostName, Port, HostKeyAlias and UserKnownHostsFile. Keys are not looked for.
    config = asyncssh.SSHClientConnectionOptions(host=address, port=port or (), config=(), client_keys=None)
    shown = config.host_key_alias or config.host
    entry = shown if config.port == asyncssh.DEFAULT_PORT else f"[{shown}]:{config.port}"
    usual = str(Path("~/.ssh/known_hosts").expanduser())
    # Only a caller of asyncssh could give it the other things that its type allows.
    for file in cast(list[str], config.known_hosts or [usual]):
        if Path(file).is_file() and _names(file, shown, config.port):
            where = f" -f {shlex.quote(file)}" if file != usual else ""
            return HostProblem(
                "ssh",
                f"{address} has another host key than known_hosts says: installed anew, or somebody in "
                "between",
                f"find out; if it was: ssh-keygen -R {shlex.quote(entry)}{where}, then {ssh}",
            )
    return HostProblem(
        "ssh",
        f"the host key of {address} is not known yet",
        f"connect once, and compare the fingerprint: {ssh}",
    )


def _names(known_hosts: str, host: str, port: int) -> bool:
    # The second name would have to be a numeric address; one that is given as the host counts as such.
    found = asyncssh.match_known_hosts(known_hosts, host, "", port if port != asyncssh.DEFAULT_PORT else None)
    return any(found)


def unforeseen(error: Exception, host: str = "") -> HostProblem:
    """For an error that says neither what is wrong with the host nor whose fault it is."""
    return HostProblem(
        "ssh",
        f"{type(error).__name__}: {_reason(error)}",
        "see whether ssh itself gets there, and what it says",
        host,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, asyncssh.Error):
        return error.reason
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)  # asyncio puts its own words into strerror
    return str(error) or type(error).__name__
