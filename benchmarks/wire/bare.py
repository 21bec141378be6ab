"""The least that such rounds can cost: ROUTER and DEALER, one raw frame each way, nothing looked at.

    python -m benchmarks.wire.bare PARAMETERS PARTICIPANTS [encrypted]

Prints a :class:`benchmarks.wire.measured.Go` of the ROUTER's process, as a line of JSON.
"""

import multiprocessing
import os
import sys
import time

import numpy as np
import zmq

from benchmarks.wire.measured import ENCRYPTED, WARM_UP, Case, Go
from tests.system.usage import peak_kib, processor_s, resident_kib

Socket = zmq.Socket[bytes]


def echo(endpoint: str, server_key: bytes | None, count: int) -> None:
    """Of ``count`` participants: what comes is sent back plus one, until an empty frame."""
    context: zmq.Context[Socket] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, count + 8)
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
            socket.send((np.frombuffer(frame.buffer, "<f4") + np.float32(1.0)).data, copy=False)
    context.destroy(linger=0)


def main(case: Case) -> None:
    context: zmq.Context[Socket] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    public = None
    if case.keys:
        public, router.curve_secretkey = zmq.curve_keypair()
        router.curve_server = True
    router.bind("tcp://127.0.0.1:*")
    endpoint = router.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
    spawn = multiprocessing.get_context("spawn")
    echoes = [spawn.Process(target=echo, args=(endpoint, public, count)) for count in case.shared_out()]
    model = np.zeros(case.parameters, "<f4").data
    idle = resident_kib(os.getpid())
    for process in echoes:
        process.start()
    everybody = [os.getpid(), *(process.pid for process in echoes if process.pid is not None)]
    peers = [router.recv_multipart()[0] for _ in range(case.participants)]
    seconds = []
    for number in range(WARM_UP + case.rounds):
        if number == WARM_UP:
            before = [processor_s(pid) for pid in everybody]
        begun = time.perf_counter()
        for peer in peers:
            router.send(peer, zmq.SNDMORE)
            router.send(model, copy=False)
        for _ in peers:
            router.recv()
            answer = router.recv(copy=False)
        seconds.append(time.perf_counter() - begun)
        model = answer.buffer
    used = [processor_s(pid) - earlier for pid, earlier in zip(everybody, before, strict=True)]
    peak = peak_kib(os.getpid())
    for peer in peers:
        router.send_multipart([peer, b""])
    for process in echoes:
        process.join()
    context.destroy(linger=0)
    print(Go.of(seconds[WARM_UP:], used[0], sum(used), idle, peak).line())


if __name__ == "__main__":
    _, parameters, participants, *how = sys.argv
    main(Case(int(parameters), int(participants), ENCRYPTED in how))
