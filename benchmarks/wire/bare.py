"""The least that such rounds can cost: ROUTER and DEALER, one raw frame each way, nothing looked at.

    python -m benchmarks.wire.bare PARAMETERS PARTICIPANTS PROCESSES ROUNDS [curve]

Prints what :class:`benchmarks.wire.ours.Measured` holds of the ROUTER's process, as a line of JSON.
"""

import json
import multiprocessing
import resource
import sys
import time

import numpy as np
import zmq

CURVE = "curve"
Socket = zmq.Socket[bytes]


def echo(endpoint: str, server_key: bytes | None, count: int) -> None:
    """Of ``count`` participants: what comes is sent back plus one, until an empty frame."""
    context: zmq.Context[Socket] = zmq.Context()
    poller = zmq.Poller()
    for _ in range(count):
        socket = context.socket(zmq.DEALER)
        if server_key is not None:
            socket.curve_serverkey = server_key
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.connect(endpoint)
        socket.send(b"ready")
        poller.register(socket, zmq.POLLIN)
    left = count
    while left:
        for socket, _ in poller.poll():
            frame = socket.recv(copy=False)
            if not len(frame.buffer):
                left -= 1
                continue
            socket.send(np.frombuffer(frame.buffer, "<f4") + np.float32(1.0), copy=False)
    context.destroy(linger=0)


def main(parameters: int, participants: int, processes: int, rounds: int, curve: bool) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    public = None
    if curve:
        public, router.curve_secretkey = zmq.curve_keypair()
        router.curve_server = True
    router.bind("tcp://127.0.0.1:*")
    endpoint = router.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
    spawn = multiprocessing.get_context("spawn")
    each = [participants // processes + (i < participants % processes) for i in range(processes)]
    echoes = [spawn.Process(target=echo, args=(endpoint, public, count)) for count in each]
    for process in echoes:
        process.start()
    peers = [router.recv_multipart()[0] for _ in range(participants)]
    model = np.zeros(parameters, "<f4")
    seconds = []
    busy = time.process_time()
    for _ in range(rounds):
        begun = time.perf_counter()
        for peer in peers:
            router.send(peer, zmq.SNDMORE)
            router.send(model, copy=False)
        for _ in peers:
            router.recv()
            answer = router.recv(copy=False)
        seconds.append(time.perf_counter() - begun)
        model = np.frombuffer(answer.buffer, "<f4")
    busy = time.process_time() - busy
    for peer in peers:
        router.send_multipart([peer, b""])
    for process in echoes:
        process.join()
    context.destroy(linger=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "processor_s": busy, "rounds": rounds, "peak_kib": peak}))


if __name__ == "__main__":
    _, *numbers, how = [*sys.argv, ""] if sys.argv[-1] != CURVE else sys.argv
    main(*map(int, numbers), curve=how == CURVE)
