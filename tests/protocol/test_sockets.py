import gc
import socket
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import numpy as np
import pytest
import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils.monitor import recv_monitor_message

from protocol.codec import CodecError, decode, encode
from protocol.errors import UsageProblem
from protocol.header import MAX_HEADER_BYTES
from protocol.keys import KeyPair
from protocol.manifest import Manifest, Parameters, ParameterSpec
from protocol.messages import Heartbeat, Update
from protocol.monitoring import Happened, Monitor
from protocol.sockets import LARGEST_FRAME, QUEUED_MESSAGES, DealerSocket, RouterSocket
from tests.protocol.generated import MANIFEST, PARAMETERS

WAIT_MS = 5000
Context = zmq.Context[zmq.Socket[bytes]]


@pytest.fixture
def context() -> Iterator[Context]:
    made: Context = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def router(context: Context) -> RouterSocket:
    return RouterSocket(context, "tcp://127.0.0.1:*", manifest=MANIFEST)


@pytest.fixture
def dealer(context: Context, router: RouterSocket) -> DealerSocket:
    return connected(context, router)


def connected(context: Context, router: RouterSocket) -> DealerSocket:
    made = DealerSocket(context, router.endpoint)
    assert made.raw.poll(WAIT_MS, zmq.POLLOUT)
    return made


def received(end: RouterSocket) -> tuple[bytes, list[memoryview]]:
    assert end.raw.poll(WAIT_MS)
    message = end.receive()
    assert message is not None
    return message.peer, message.frames


def contents(frames: list[memoryview] | None) -> list[bytes]:
    assert frames is not None
    return [frame.tobytes() for frame in frames]


def test_a_federation_that_shares_nothing_has_a_socket_too(context: Context) -> None:
    empty = Manifest(parameters=())
    router = RouterSocket(context, "tcp://127.0.0.1:*", manifest=empty)
    update = Update(run="0123abcd", round=1, seconds=2.0)
    assert connected(context, router).send(encode(update, Parameters.from_arrays(empty, {})))
    assert decode(received(router)[1], empty).message == update


def test_a_message_and_its_answer(router: RouterSocket, dealer: DealerSocket) -> None:
    assert dealer.send(encode(Update(run="0123abcd", round=1, seconds=2.0), PARAMETERS))
    peer, frames = received(router)
    parameters = decode(frames, MANIFEST).parameters
    assert parameters is not None
    assert parameters.digest() == PARAMETERS.digest()

    assert router.send(peer, [b"answer", b"", b"tensor"])
    assert dealer.raw.poll(WAIT_MS)
    assert contents(dealer.receive()) == [b"answer", b"", b"tensor"]


def test_receiving_never_waits(router: RouterSocket, dealer: DealerSocket) -> None:
    assert router.receive() is None
    assert dealer.receive() is None


def test_sending_to_a_stranger_fails_at_once(router: RouterSocket) -> None:
    assert router.send(b"nobody", [b"hello"]) is False


def test_sending_to_a_peer_that_has_gone_fails(router: RouterSocket, dealer: DealerSocket) -> None:
    dealer.send([b"hello"])
    peer, _ = received(router)
    closed = router.raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    dealer.close(0)
    assert closed.poll(WAIT_MS)
    router.raw.disable_monitor()
    # The I/O thread tells of it before the socket itself has heard; the test's time limit ends the loop.
    while router.send(peer, [b"are you there"]):
        router.raw.poll(1)


def test_a_peer_that_does_not_read_fills_its_queue_and_nothing_blocks(
    router: RouterSocket, dealer: DealerSocket
) -> None:
    dealer.send([b"hello"])
    peer, _ = received(router)
    block = bytes(MAX_HEADER_BYTES)
    sent = 0
    while router.send(peer, [block]):
        sent += 1
        assert sent < 4 * QUEUED_MESSAGES
    assert sent >= QUEUED_MESSAGES


def test_nothing_is_queued_for_a_coordinator_that_is_not_there(context: Context) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
    dealer = DealerSocket(context, address)
    assert dealer.send([b"stale"]) is False

    router = RouterSocket(context, address)
    assert dealer.raw.poll(WAIT_MS, zmq.POLLOUT)
    assert dealer.send([b"fresh"])
    assert contents(received(router)[1]) == [b"fresh"]


def test_after_a_restart_a_participant_is_a_stranger_and_nothing_stale_arrives(context: Context) -> None:
    first = RouterSocket(context, "tcp://127.0.0.1:*")
    dealer = connected(context, first)
    dealer.send([b"one"])
    old_peer, _ = received(first)
    connection = dealer.raw.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
    first.close(0)
    assert recv_monitor_message(connection)["event"] == zmq.EVENT_DISCONNECTED
    dealer.send([b"to the dead"])

    second = RouterSocket(context, first.endpoint)
    assert recv_monitor_message(connection)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    dealer.raw.disable_monitor()
    assert dealer.raw.poll(WAIT_MS, zmq.POLLOUT)
    dealer.send([b"two"])
    new_peer, frames = received(second)
    assert contents(frames) == [b"two"]
    assert new_peer != old_peer


# Strangers


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(bytes(1000), id="zeros"),
        # libzmq still takes the framing of ZMTP 1.0, whose first byte is a length: this arrives as frames.
        pytest.param(Random(1).randbytes(10_000), id="random"),
        pytest.param(b"\xff" + b"\x7f" * 9 + bytes(100), id="a frame of 2**62 bytes"),
        pytest.param(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL", id="half a greeting"),
    ],
)
def test_garbage_over_raw_tcp_has_no_effect(
    router: RouterSocket, dealer: DealerSocket, garbage: bytes
) -> None:
    host, port = router.endpoint.removeprefix("tcp://").split(":")
    # The router may hang up at any byte.
    with suppress(OSError), socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(garbage)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(4096):
            pass
    assert dealer.send([b"still here"])
    nothing_but_refusals_until(b"still here", router)


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.SUB, zmq.PUSH, zmq.PAIR])
def test_other_kinds_of_sockets_have_no_effect(
    context: Context, router: RouterSocket, dealer: DealerSocket, kind: int
) -> None:
    stranger = context.socket(kind)
    stranger.set(zmq.LINGER, 0)
    stranger.connect(router.endpoint)
    if kind != zmq.SUB:
        stranger.send(b"hello", zmq.NOBLOCK)
    assert dealer.send([b"still here"])
    nothing_but_refusals_until(b"still here", router)


def nothing_but_refusals_until(last: bytes, router: RouterSocket) -> None:
    while contents(frames := received(router)[1]) != [last]:
        with pytest.raises(CodecError):
            decode(frames, MANIFEST)


def test_a_peer_cannot_take_over_the_id_of_another(context: Context, router: RouterSocket) -> None:
    def claim(routing_id: bytes) -> zmq.Socket[bytes]:
        made = context.socket(zmq.DEALER)
        made.set(zmq.ROUTING_ID, routing_id)
        made.connect(router.endpoint)
        return made

    owner = claim(b"ann")
    owner.send(b"mine")
    assert received(router)[0] == b"ann"
    list(router.monitor.events())  # of the owner
    thief = claim(b"ann")
    thief.send(b"mine now")
    while Happened.SHAKEN_HANDS not in {event.happened for event in router.monitor.events()}:
        assert router.monitor.raw.poll(WAIT_MS)
    assert router.send(b"ann", [b"for the owner"])
    assert owner.poll(WAIT_MS)
    assert owner.recv() == b"for the owner"
    assert not thief.poll(0)


@pytest.mark.parametrize("frames", [[b""], [b"", b""], [b"x"] * 10_000, [b""] * 10_000], ids=len)
def test_messages_of_absurd_shape_are_drained_and_refused(
    router: RouterSocket, dealer: DealerSocket, frames: list[bytes]
) -> None:
    dealer.send(frames)
    _, kept = received(router)
    assert len(kept) <= 2 + len(MANIFEST.dtypes)
    with pytest.raises(CodecError):
        decode(kept, MANIFEST)
    dealer.send(encode(Heartbeat(run="0123abcd")))
    assert decode(received(router)[1], MANIFEST).message == Heartbeat(run="0123abcd")


def test_more_frames_than_any_message_has_are_refused_whatever_the_first_says(
    router: RouterSocket, dealer: DealerSocket
) -> None:
    head, *tensors = encode(Update(run="0123abcd", round=1, seconds=2.0), PARAMETERS)
    dealer.send([head, *tensors, *[b"x"] * 10])
    with pytest.raises(CodecError) as caught:
        decode(received(router)[1], MANIFEST)
    assert caught.value.kind == "wrong_size"


def test_a_frame_larger_than_any_ends_the_connection(context: Context, router: RouterSocket) -> None:
    giant, honest = connected(context, router), connected(context, router)
    closed = router.raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    giant.send([bytes(LARGEST_FRAME + 1)])
    assert closed.poll(WAIT_MS)
    router.raw.disable_monitor()
    honest.send([bytes(LARGEST_FRAME)])
    assert len(received(router)[1][0]) == LARGEST_FRAME


def test_a_participant_takes_no_larger_frame_either(router: RouterSocket, dealer: DealerSocket) -> None:
    dealer.send([b"hello"])
    peer, _ = received(router)
    assert router.send(peer, [bytes(LARGEST_FRAME)])
    assert dealer.raw.poll(WAIT_MS)
    assert [len(frame) for frame in dealer.receive() or ()] == [LARGEST_FRAME]
    closed = dealer.raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    assert router.send(peer, [bytes(LARGEST_FRAME + 1)])
    assert closed.poll(WAIT_MS)
    dealer.raw.disable_monitor()
    assert dealer.receive() is None


def test_a_frame_as_large_as_any_may_be_arrives_encrypted_too_and_a_larger_one_does_not(
    context: Context,
) -> None:
    mine, theirs = KeyPair.new("coordinator"), KeyPair.new("ann")
    anybody = ThreadAuthenticator(context)
    anybody.start()
    anybody.configure_curve(domain="*", location=zmq.auth.CURVE_ALLOW_ANY)
    try:
        router = RouterSocket(context, "tcp://127.0.0.1:*", key=mine)
        closed = router.raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        for length in (LARGEST_FRAME, LARGEST_FRAME + 1):
            dealer = DealerSocket(context, router.endpoint, key=theirs, coordinator_key=mine.public)
            assert dealer.raw.poll(WAIT_MS, zmq.POLLOUT)
            dealer.send([bytes(length)])
            if length == LARGEST_FRAME:
                assert len(received(router)[1][0]) == length
        assert closed.poll(WAIT_MS)
        assert router.receive() is None
        router.raw.disable_monitor()
    finally:
        anybody.stop()


def test_a_model_larger_than_any_frame_arrives(context: Context) -> None:
    manifest = Manifest(parameters=(ParameterSpec(name="x", shape=(LARGEST_FRAME,)),))
    model = Parameters.from_arrays(manifest, {"x": np.arange(LARGEST_FRAME)})
    router = RouterSocket(context, "tcp://127.0.0.1:*", manifest=manifest)
    dealer = connected(context, router)
    assert dealer.send(encode(Update(run="0123abcd", round=1, seconds=2.0), model))
    parameters = decode(received(router)[1], manifest).parameters
    assert parameters is not None
    assert parameters.digest() == model.digest()


def test_a_socket_that_is_forgotten_ends_after_its_monitor_has_been_told_to_stop(
    context: Context, router: RouterSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []
    close = Monitor.close

    def noted(monitor: Monitor) -> None:
        if monitor is its_monitor:  # and not that of another one that nobody needs any more
            ended.append(raw.closed)
        close(monitor)

    monkeypatch.setattr(Monitor, "close", noted)
    dealer = connected(context, router)
    raw, its_monitor = dealer.raw, dealer.monitor
    del dealer
    gc.collect()
    assert ended == [False]
    assert raw.closed


def test_closing_again_is_nothing(dealer: DealerSocket) -> None:
    dealer.close(0)
    dealer.close(0)
    assert dealer.raw.closed


# Addresses


def problem_of(context: Context, bind: str) -> str:
    with pytest.raises(UsageProblem) as caught:
        RouterSocket(context, bind)
    return str(caught.value)


def test_a_port_in_use_is_said_to_be(context: Context, router: RouterSocket) -> None:
    assert problem_of(context, router.endpoint) == (
        f"{router.endpoint}: the port is in use, perhaps by another coordinator; choose another"
    )


def test_an_address_of_another_machine_is_said_to_be(context: Context) -> None:
    # 192.0.2.0/24 is set aside for documentation, so no machine has it.
    assert "not an address of this machine; tcp://*:PORT listens on all" in problem_of(
        context, "tcp://192.0.2.1:5555"
    )


def test_malformed_addresses_open_nothing(context: Context) -> None:
    assert "is not an address" in problem_of(context, "5555")
    with pytest.raises(UsageProblem, match="is not an address"):
        DealerSocket(context, "5555")


@pytest.mark.parametrize("bind", ["tcp://*:*", "tcp://localhost:*", "tcp://127.0.0.1:0"])
def test_listening_on_any_free_port_says_which(context: Context, bind: str) -> None:
    router = RouterSocket(context, bind)
    port = int(router.endpoint.rsplit(":", 1)[1])
    assert port > 0
    assert DealerSocket(context, f"tcp://localhost:{port}").raw.poll(WAIT_MS, zmq.POLLOUT)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
def test_ipv6(context: Context) -> None:
    try:
        router = RouterSocket(context, "tcp://[::1]:*")
    except UsageProblem:
        pytest.skip("no IPv6 loopback address on this machine")
    assert router.endpoint.startswith("tcp://[::1]:")
    assert connected(context, router).send([b"hello"])
