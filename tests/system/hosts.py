"""Two hosts on one machine: network namespaces joined by a cable, made and removed by the test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SUBNET = "10.77.31"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@contextmanager
def two_hosts() -> Iterator[tuple[str, str, str]]:
    """Names of the two namespaces, and the first one's address. Skips where that is not permitted."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and iproute2")
    near, far = (f"fedmeta-{os.getpid()}-{end}" for end in ("near", "far"))
    try:
        try:
            ip("netns", "add", near)
            ip("netns", "add", far)
            ip("link", "add", "cable", "netns", near, "type", "veth", "peer", "name", "cable", "netns", far)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
        for number, host in enumerate((near, far), start=1):
            ip("-n", host, "addr", "add", f"{SUBNET}.{number}/24", "dev", "cable")
            ip("-n", host, "link", "set", "cable", "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield near, far, f"{SUBNET}.1"
    finally:
        for host in (near, far):
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def delay(host: str, milliseconds: int) -> None:
    """Everything that leaves this host is that much later. Skips where the kernel has no netem."""
    command = ["ip", "netns", "exec", host, "tc", "qdisc", "add", "dev", "cable", "root", "netem"]
    done = subprocess.run(
        [*command, "delay", f"{milliseconds}ms"], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"netem is not available here: {done.stderr.strip()}")
