"""The hosts file: which hosts take part, how to get there, and who runs where. TOML, validated.

[coordinator]
host = "alpha"
bind = "tcp://192.168.1.20:5555"
[defaults]
user = "fed"
venv = "/opt/fedmeta"
[hosts.alpha]
address = "192.168.1.20"
auditors = 1
[hosts.beta]
address = "192.168.1.21"
benign = 4
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from participant.device import DEVICE_FORM
from protocol.errors import UsageProblem
from protocol.explain import explain

HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
BIND = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:]+\]|\*|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
EVERYWHERE = ("*", "0.0.0.0", "[::]")
LOOPBACK = re.compile(r"localhost|127\..*|\[::1\]")
STATE_DIR = "~/.local/state/fedmeta/deploy"

Text = Annotated[str, Field(min_length=1, description='a text in " "')]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Coordinator(_Strict):
    """``bind``: where it listens on its host; ``connect``: what participants connect to, if not that."""

    host: Text
    bind: Text
    connect: Text | None = None

    @field_validator("bind", "connect")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        form = BIND.fullmatch(value) if value is not None else None
        if value is not None and (form is None or not 1 <= int(form["port"]) <= 65535):
            raise ValueError(
                f"must be an address with a port, for instance tcp://192.168.1.20:5555, not {value!r}"
            )
        return value

    @property
    def address(self) -> str:
        """What participants connect to."""
        return self.connect or self.bind


class Account(_Strict):
    """How to get to a host and what is where on it; in ``[defaults]`` for all hosts. None: as
    ``~/.ssh/config`` and ssh itself have it. ``data_dir`` and ``state_dir`` are paths on the host."""

    user: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    identity: Text | None = None
    python: Text | None = None
    venv: Text | None = None
    data_dir: Text | None = None
    state_dir: Text = STATE_DIR
    devices: Annotated[
        tuple[str, ...],
        Field(min_length=1, description='"auto", "cpu", "mps", "cuda", "cuda:N" or a list of these'),
    ] = ("auto",)

    @field_validator("devices", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, str):
            return (value,)
        return tuple(value) if isinstance(value, list) else value

    @field_validator("devices")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for device in value:
            if DEVICE_FORM.fullmatch(device) is None:
                raise ValueError(f"each must be auto, cpu, mps, cuda or cuda:N, not {device!r}")
        return value

    @field_validator("data_dir", "state_dir")
    @classmethod
    def _whole_path(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("/", "~/")):
            raise ValueError(f"must be a path on the host that begins with / or ~/, not {value!r}")
        return value

    @model_validator(mode="after")
    def _one_python(self) -> "Account":
        if self.python is not None and self.venv is not None:
            raise ValueError("python and venv are two ways to say the same: leave one of them out")
        return self

    @property
    def interpreter(self) -> str:
        """As its shell finds it; ``~/`` is still to be expanded there."""
        if self.venv is not None:
            return f"{self.venv.rstrip('/')}/bin/python"
        return self.python or "python3"


class Host(Account):
    """``local``: this very machine, without SSH. How many participants of each role run there."""

    address: Text | None = None
    local: bool = False
    benign: Annotated[int, Field(ge=0, le=10_000)] = 0
    malicious: Annotated[int, Field(ge=0, le=10_000)] = 0
    auditors: Annotated[int, Field(ge=0, le=10)] = 0

    @property
    def interpreter(self) -> str:
        # Here is one that has fedmeta for certain.
        named = self.python is not None or self.venv is not None
        return sys.executable if self.local and not named else super().interpreter

    @model_validator(mode="after")
    def _somewhere(self) -> "Host":
        if self.local and self.address is not None:
            raise ValueError("local is this machine and needs no address: leave one of them out")
        return self


class HostsFile(_Strict):
    """``name``: of the federation; its files on each host are in a folder of that name."""

    name: Text
    coordinator: Coordinator
    hosts: dict[str, Host]

    def check(self) -> None:
        """Raises ValueError, which begins with the key, for what does not go together."""
        there = ", ".join(self.hosts)
        if self.coordinator.host not in self.hosts:
            raise ValueError(
                f"coordinator.host: no host {self.coordinator.host!r} is described here; there are: {there}"
            )
        if not any(host.benign or host.malicious for host in self.hosts.values()):
            raise ValueError("hosts: nobody trains; give a host a key benign, for instance benign = 2")
        places: dict[tuple[Any, ...], str] = {}
        for name, host in self.hosts.items():
            place = ("local",) if host.local else (host.user, host.address or name, host.port)
            other = places.setdefault((*place, host.state_dir), name)
            if other != name:
                raise ValueError(
                    f"hosts.{name}: the same place as hosts.{other}; describe a host once, or give it "
                    "another state_dir"
                )
        listens = BIND.fullmatch(self.coordinator.address)
        assert listens is not None
        if listens["host"] in EVERYWHERE and self.coordinator.connect is not None:
            raise ValueError(
                f"coordinator.connect: {self.coordinator.connect} is only for listening; write the one "
                "address that participants connect to"
            )
        if listens["host"] in EVERYWHERE:
            raise ValueError(
                "coordinator.connect: missing; participants need the one address that they connect to, "
                f"since {self.coordinator.address} is only for listening"
            )
        if LOOPBACK.fullmatch(listens["host"]) and len(self.hosts) > 1:
            raise ValueError(
                f"coordinator.{'connect' if self.coordinator.connect else 'bind'}: other hosts cannot reach "
                f"{self.coordinator.address}; write the coordinator's address in their network"
            )


class _Document(_Strict):
    """As it stands in the file, before hosts take over what ``[defaults]`` says."""

    name: Text | None = None
    coordinator: Coordinator
    defaults: Account = Account()
    hosts: Annotated[dict[str, Any], Field(description="sections [hosts.NAME]")]


M = TypeVar("M", bound=BaseModel)


def load_hosts(path: Path) -> HostsFile:
    """Raises :class:`UsageProblem` that names the file, the key and what would be right."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageProblem(f"{path}: cannot read the hosts file: {reason}") from error
    return parse_hosts(text, default_name=path.stem, source=str(path))


def parse_hosts(text: str, *, default_name: str, source: str) -> HostsFile:
    """As :func:`load_hosts`, from the TOML text itself."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"{source}: not TOML: {error}") from error
    document = _validated(_Document, raw, source)
    if not document.hosts:
        raise UsageProblem(f"{source}: hosts: describe at least one, as [hosts.NAME]")
    said = raw.get("defaults", {})
    hosts: dict[str, Host] = {}
    for name, entry in document.hosts.items():
        if HOST_NAME.fullmatch(name) is None:
            raise UsageProblem(
                f"{source}: hosts.{name}: a host is named by letters, digits, '.', '_' and '-'"
            )
        if not isinstance(entry, dict):
            raise UsageProblem(f"{source}: hosts.{name}: must be a section [hosts.{name}]")
        hosts[name] = _validated(Host, {**_given(said, entry), **entry}, source, f"hosts.{name}")
    name = document.name or default_name
    if HOST_NAME.fullmatch(name) is None:
        raise UsageProblem(f"{source}: name: must be letters, digits, '.', '_' and '-', not {name!r}")
    parsed = HostsFile(name=name, coordinator=document.coordinator, hosts=hosts)
    try:
        parsed.check()
    except ValueError as error:
        raise UsageProblem(f"{source}: {error}") from error
    return parsed


def _given(defaults: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """Defaults that a host takes over: it may name its interpreter in the other way."""
    own = "python" in entry or "venv" in entry
    return {key: value for key, value in defaults.items() if not (own and key in ("python", "venv"))}


def _validated(model: type[M], document: dict[str, Any], source: str, prefix: str = "") -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problem = explain(error, model)
        key = ".".join(part for part in (prefix, problem.key) if part)
        raise UsageProblem(
            f"{source}: {key}: {problem.text}" if key else f"{source}: {problem.text}"
        ) from error
