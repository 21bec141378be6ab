"""The links do what the tests of failures rely on."""

import subprocess
import sys
import time

import pytest

from tests.system.lab.hosts import Laboratory, laboratory
from tests.system.lab.quality import HELD_BACK_S, Direction, Quality

SERVER = """
import socket, sys
with socket.create_server((sys.argv[1], 9000)) as server:
    print("listening", flush=True)
    connection, _ = server.accept()
    received = 0
    while data := connection.recv(65536):
        received += len(data)
    connection.sendall(str(received).encode())
"""
CLIENT = """
import socket, sys, time
begun = time.monotonic()
with socket.create_connection((sys.argv[1], 9000)) as connection:
    connection.sendall(bytes(int(sys.argv[2])))
    connection.shutdown(socket.SHUT_WR)
    print(connection.recv(100).decode(), time.monotonic() - begun)
"""


def in_host(lab: Laboratory, host: str, *arguments: str) -> "subprocess.Popen[str]":
    command = ["ip", "netns", "exec", lab.namespace(host), sys.executable, "-c", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def transfer(lab: Laboratory, size: int) -> tuple[int, float]:
    """From ann to the coordinator: how many bytes arrived, in how many seconds."""
    with in_host(lab, "coordinator", SERVER, lab.address("coordinator")) as server:
        assert server.stdout is not None
        server.stdout.readline()
        client = in_host(lab, "ann", CLIENT, lab.address("coordinator"), str(size))
        said, _ = client.communicate(timeout=60)
    received, seconds = said.split()
    return int(received), float(seconds)


@pytest.mark.system
def test_hosts_reach_each_other_and_nobody_else_and_links_have_their_quality() -> None:
    with laboratory("coordinator", "ann") as lab:
        assert transfer(lab, 1_000_000)[0] == 1_000_000
        lab.link("ann", Quality(delay_s=0.05, loss=0.02, reorder=0.05))
        received, seconds = transfer(lab, 100_000)
        assert received == 100_000
        assert seconds >= 0.2  # two round trips of 2 x 50 ms at the least
        routes = subprocess.run(
            ["ip", "-n", lab.namespace("ann"), "route"], check=True, capture_output=True, text=True
        )
        assert len(routes.stdout.splitlines()) == 1  # to the other hosts, and to nowhere else


@pytest.mark.system
def test_a_cut_link_passes_nothing_until_it_is_mended() -> None:
    with laboratory("coordinator", "ann") as lab:
        with in_host(lab, "coordinator", SERVER, lab.address("coordinator")) as server:
            assert server.stdout is not None
            server.stdout.readline()
            lab.cut_after("ann", 200_000)
            client = in_host(lab, "ann", CLIENT, lab.address("coordinator"), "1000000")
            while not lab.is_cut("ann"):
                time.sleep(0.01)  # the switch has nothing to wait on
            assert client.poll() is None
            lab.mend("ann")
            said, _ = client.communicate(timeout=60)
        assert said.startswith("1000000 ")


def arrivals(seed: str, quality: Quality, packets: int = 2000) -> list[float | None]:
    direction = Direction(seed)
    direction.quality = quality
    return [direction.arrival(float(number), 1000) for number in range(packets)]


def test_what_is_lost_and_what_is_late_depends_on_the_seed_alone() -> None:
    poor = Quality(delay_s=0.05, loss=0.02, reorder=0.1)
    assert arrivals("one", poor) == arrivals("one", poor)
    assert arrivals("one", poor) != arrivals("other", poor)
    lost = arrivals("one", poor).count(None)
    assert 15 <= lost <= 80
    waits = {round(at - sent, 6) for sent, at in enumerate(arrivals("one", poor)) if at is not None}
    assert waits == {0.05, 0.05 + HELD_BACK_S}


def test_a_rate_makes_packets_queue_and_a_full_queue_loses_them() -> None:
    direction = Direction("any")
    direction.quality = Quality(rate=1000.0)
    assert [direction.arrival(0.0, 500) for _ in range(4)] == [0.5, 1.0, 1.5, None]
