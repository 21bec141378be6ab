"""Addresses that people type (``tcp://HOST:PORT``), checked before libzmq, which resolves late."""

import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from protocol.errors import UsageProblem

_FORM = re.compile(r"tcp://(?P<host>\[[^\[\]]+\]|[^\[\]:/@\s]+):(?P<port>\*|[0-9]+)")


@dataclass(frozen=True)
class Address:
    """What libzmq is given: its URL and whether it takes IPv6. ``loopback``: nobody else reaches it."""

    url: str
    ipv6: bool
    loopback: bool = False


def parse_address(text: str, *, for_bind: bool) -> Address:
    """Raises :class:`UsageProblem` with what is wrong and what would be right."""
    form = _FORM.fullmatch(text)
    if form is None:
        example = "tcp://0.0.0.0:5555 or tcp://127.0.0.1:*" if for_bind else "tcp://192.168.1.20:5555"
        raise UsageProblem(f"{text!r} is not an address; write tcp://HOST:PORT, for instance {example}")
    host, port = form["host"].strip("[]"), form["port"]
    if port == "*":
        if not for_bind:
            raise UsageProblem(f"{text}: connecting needs the port's number; the coordinator prints it")
    elif not (0 if for_bind else 1) <= int(port[:6]) <= 65535:
        raise UsageProblem(f"{text}: a port is a number from 1 to 65535")
    if host == "*":
        if not for_bind:
            raise UsageProblem(f"{text}: connecting needs the coordinator's host name or address, not *")
        # Takes both; libzmq itself goes back to IPv4 where the system has no IPv6.
        return Address(text, ipv6=True)
    if not for_bind and host in ("0.0.0.0", "::"):
        raise UsageProblem(f"{text}: {host} is only for listening; connect to the coordinator's own address")
    addresses = _resolve(text, host, for_bind)
    if for_bind:
        # libzmq binds to numbers and interface names, not to host names.
        ipv4 = [found for found in addresses if ":" not in found]
        chosen = (ipv4 or addresses)[0]
        return Address(
            f"tcp://{f'[{chosen}]' if ':' in chosen else chosen}:{port}",
            ipv6=":" in chosen,
            loopback=ip_address(chosen).is_loopback,
        )
    # The name stays a name, so that a reconnect finds a host whose address has changed. With IPv6 on, libzmq
    # tries only the first address, which for "localhost" is often one on which nobody listens.
    return Address(text, ipv6=all(":" in found for found in addresses))


def _resolve(text: str, host: str, for_bind: bool) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a host name"
        remedy = (
            "listen on an address of this machine, or on *"
            if for_bind
            else "check the spelling, or write its IP address"
        )
        raise UsageProblem(f"{text}: cannot resolve the host {host!r} ({reason}); {remedy}") from error
    return [str(entry[4][0]) for entry in found]
