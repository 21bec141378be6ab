"""The switch between the hosts, as a process: it carries IP packets from one TUN device to another.

    python -m tests.system.lab.switch SEED ADDRESS...

makes devices tun0, tun1, … for these addresses, in their order. Commands are JSON lines on stdin, each
answered by one line on stdout when it holds; the end of stdin ends it. It is in user space because the
kernel's netem is not everywhere, and because this one's chance has a seed.
"""

import fcntl
import heapq
import json
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.system.lab.quality import PACKET_BYTES, Direction, Quality

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
AT_ONCE = 64  # packets of one host before another's turn


@dataclass(frozen=True)
class Port:
    """A host's device and the two ways of its link."""

    device: int
    up: Direction
    down: Direction


class Switch:
    def __init__(self, ports: dict[str, Port]) -> None:
        self._ports = ports
        self._due: list[tuple[float, int, int, bytes]] = []
        self._order = count()

    def run(self) -> None:
        by_device = {port.device: port for port in self._ports.values()}
        poll = select.poll()
        for device in (*by_device, sys.stdin.fileno()):
            poll.register(device, select.POLLIN)
        while True:
            for device, _ in poll.poll(self._patience_ms()):
                if device in by_device:
                    self._take(by_device[device])
                elif not self._command(sys.stdin.readline()):
                    return
            self._deliver()

    def _take(self, port: Port) -> None:
        for _ in range(AT_ONCE):
            try:
                packet = os.read(port.device, 2 * PACKET_BYTES)
            except BlockingIOError:
                return
            target = self._ports.get(socket.inet_ntoa(packet[16:20])) if packet[0] >> 4 == 4 else None
            if target is None:
                continue
            left = port.up.arrival(time.monotonic(), len(packet))
            due = None if left is None else target.down.arrival(left, len(packet))
            if due is not None:
                heapq.heappush(self._due, (due, next(self._order), target.device, packet))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, device, packet = heapq.heappop(self._due)
            with suppress(BlockingIOError):  # the host takes no more: lost, as on any other link
                os.write(device, packet)

    def _patience_ms(self) -> float | None:
        return max(0.0, self._due[0][0] - time.monotonic()) * 1000 if self._due else None

    def _command(self, line: str) -> bool:
        """False: there are no more."""
        if not line:
            return False
        command: dict[str, Any] = json.loads(line)
        port = self._ports[command["address"]]
        match command["do"]:
            case "quality":
                port.up.quality = port.down.quality = Quality(**command["quality"])
            case "cut":
                port.up.cut = port.down.cut = True
            case "cut_after":
                way = port.up if command["up"] else port.down
                way.cut_at = way.passed + command["bytes"]
            case "mend":
                for way in (port.up, port.down):
                    way.cut, way.cut_at = False, None
        print(json.dumps({"cut": port.up.cut or port.down.cut}), flush=True)
        return True


def open_device(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def main(seed: str, *addresses: str) -> None:
    ports = {}
    try:
        for number, address in enumerate(addresses):
            up, down = (Direction(f"{seed}/{address}/{way}") for way in ("up", "down"))
            ports[address] = Port(open_device(f"tun{number}"), up, down)
    except OSError as error:
        sys.exit(f"TUN devices cannot be made here: {error.strerror}")
    print("{}", flush=True)
    Switch(ports).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
