"""A laboratory: hosts with one link each to a common switch, made and removed by a test.

with laboratory("coordinator", "ann", "bob") as lab:
    lab.link("ann", Quality(delay_s=0.05, loss=0.02))
    processes.start_participant(coordinator, "ann", host=lab.namespace("ann"))
    lab.cut("ann")
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.system.lab.quality import Quality

SUBNET = "10.77.31"
REPOSITORY = Path(__file__).parents[3]


class Laboratory:
    """Hosts are called as the test calls them; ``namespace`` is what the system calls them."""

    def __init__(self, prefix: str, hosts: tuple[str, ...], switch: "subprocess.Popen[str]") -> None:
        self._prefix = prefix
        self._hosts = hosts
        self._switch = switch

    def namespace(self, host: str) -> str:
        return f"{self._prefix}-{self._hosts.index(host)}"

    def address(self, host: str) -> str:
        return address(self._hosts.index(host))

    def link(self, host: str, quality: Quality) -> None:
        self._tell(host, "quality", quality=asdict(quality))

    def cut(self, host: str) -> None:
        """Nothing passes any more, and nobody is told; the interface stays up."""
        self._tell(host, "cut")

    def cut_after(self, host: str, size: int, *, up: bool = True) -> None:
        """The same, once ``size`` more bytes have left the host (or with ``up`` false, come to it)."""
        self._tell(host, "cut_after", bytes=size, up=up)

    def mend(self, host: str) -> None:
        self._tell(host, "mend")

    def is_cut(self, host: str) -> bool:
        return bool(self._tell(host, "look")["cut"])

    def _tell(self, host: str, do: str, **more: Any) -> dict[str, Any]:
        assert self._switch.stdin is not None
        assert self._switch.stdout is not None
        print(
            json.dumps({"address": self.address(host), "do": do, **more}), file=self._switch.stdin, flush=True
        )
        answer: dict[str, Any] = json.loads(self._switch.stdout.readline())
        return answer


@contextmanager
def laboratory(*hosts: str, seed: int = 0) -> Iterator[Laboratory]:
    """Skips, with the reason, where network namespaces or TUN devices are not to be had."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    prefix = f"fedmeta-{os.getpid()}"
    namespaces = [f"{prefix}-{number}" for number in range(len(hosts))]
    middle = f"{prefix}-switch"
    try:
        for namespace in (middle, *namespaces):
            _namespace(namespace)
        with _switch(middle, [address(number) for number in range(len(hosts))], seed) as switch:
            for number, namespace in enumerate(namespaces):
                _ip("-n", middle, "link", "set", f"tun{number}", "netns", namespace)
                _ip("-n", namespace, "link", "set", f"tun{number}", "name", "wire")
                _ip("-n", namespace, "addr", "add", f"{address(number)}/24", "dev", "wire")
                _ip("-n", namespace, "link", "set", "wire", "up")
                _ip("-n", namespace, "link", "set", "lo", "up")
            yield Laboratory(prefix, hosts, switch)
    finally:
        for namespace in (middle, *namespaces):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)


def address(number: int) -> str:
    return f"{SUBNET}.{number + 1}"


@contextmanager
def _switch(namespace: str, addresses: list[str], seed: int) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "tests.system.lab.switch", str(seed), *addresses]
    switch = subprocess.Popen(
        ["ip", "netns", "exec", namespace, *command],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with switch:
        assert switch.stdout is not None
        assert switch.stderr is not None
        if not switch.stdout.readline():
            pytest.skip(switch.stderr.read().strip())
        try:
            yield switch
        finally:
            switch.kill()


def _namespace(name: str) -> None:
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
