"""Rounds of Flower's start_server and start_client, which keep their connections.

    build/peers/flwr/bin/python -m benchmarks.peers.flower_server PARAMETERS PARTICIPANTS [encrypted]

Prints a :class:`benchmarks.wire.measured.Go` of the server's process, as a line of JSON. Participants that
share a process are threads of it. Encrypted is TLS."""

import multiprocessing
import socket
import sys
import threading

from flwr.client import start_client
from flwr.server import ServerConfig, start_server

from benchmarks.peers.certificates import for_this_machine
from benchmarks.peers.flower import Echo, Timed
from benchmarks.wire.measured import ENCRYPTED, Case


def echoes(address: str, root: bytes | None, count: int) -> None:
    """``count`` participants, until the server sends them away."""

    def one() -> None:
        start_client(server_address=address, client=Echo().to_client(), root_certificates=root)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(case: Case) -> None:
    shown = for_this_machine() if case.keys else None
    address = f"127.0.0.1:{_free_port()}"
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=echoes, args=(address, shown.root if shown else None, count))
        for count in case.shared_out()
    ]

    def start() -> None:
        for process in processes:
            process.start()

    strategy = Timed(case, start)
    start_server(
        server_address=address,
        config=ServerConfig(num_rounds=strategy.rounds),
        strategy=strategy,
        certificates=(shown.root, shown.server, shown.key) if shown else None,
    )
    for process in processes:
        process.join()
    print(strategy.found().line())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    _, parameters, participants, *how = sys.argv
    main(Case(int(parameters), int(participants), ENCRYPTED in how))
