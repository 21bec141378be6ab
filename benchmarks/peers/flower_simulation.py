"""The same rounds in Flower's simulation, where Ray has the participants in processes and memory in common.

    build/peers/flwr/bin/python -m benchmarks.peers.flower_simulation PARAMETERS PARTICIPANTS

Prints a :class:`benchmarks.wire.measured.Go`, as a line of JSON: of the process that aggregates, and of all
that Ray has started. There is nothing to encrypt."""

import sys
import tempfile

from flwr.client import Client, ClientApp
from flwr.common import Context
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.simulation import run_simulation

from benchmarks.peers.flower import Echo, Timed
from benchmarks.wire.measured import Case


def main(case: Case) -> None:
    strategy = Timed(case, lambda: None)

    def server(context: Context) -> ServerAppComponents:
        return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=strategy.rounds))

    def client(context: Context) -> Client:
        return Echo().to_client()

    # Ray's sockets are in that folder: its path has to be short.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        run_simulation(
            server_app=ServerApp(server_fn=server),
            client_app=ClientApp(client_fn=client),
            num_supernodes=case.participants,
            backend_config={
                "init_args": {"_temp_dir": folder},
                # By default each has two cores for itself.
                "client_resources": {"num_cpus": 1.0, "num_gpus": 0.0},
            },
        )
    print(strategy.found().line())


if __name__ == "__main__":
    _, parameters, participants = sys.argv
    main(Case(int(parameters), int(participants)))
