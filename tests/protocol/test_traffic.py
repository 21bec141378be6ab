"""What is known of a message on its way."""

import socket
import sys

import pytest

from protocol.traffic import LOOK_S, SLOWEST, Pace, slowest, traffic


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much has moved")
def test_a_connection_says_what_has_come_what_has_arrived_and_what_waits() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as near,
        server.accept()[0] as far,
    ):
        near.sendall(bytes(1000))
        far.recv(1000, socket.MSG_WAITALL)
        here, there = traffic(near.fileno()), traffic(far.fileno())
        assert here is not None
        assert there is not None
        assert (there.received, there.acknowledged) == (1000, 0)
        assert here.acknowledged >= 1000  # the handshake counts as one
        assert here.waiting == there.waiting == 0
        near.setblocking(False)
        sent = 0
        while True:  # nobody reads: it fills up
            try:
                sent += near.send(bytes(65536))
            except BlockingIOError:
                break
        here, there = traffic(near.fileno()), traffic(far.fileno())
        assert here is not None
        assert there is not None
        assert 0 < here.waiting < sent
        assert there.received >= sent + 1000 - here.waiting - 65536


def test_of_what_is_no_connection_nothing_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        fd = server.fileno()
    assert traffic(fd) is None  # closed


def test_an_update_has_to_arrive_within_a_round() -> None:
    assert slowest(4_000_000, 100.0) == 40_000.0
    assert slowest(0, 100.0) == SLOWEST


def test_a_message_gets_on_as_long_as_enough_of_it_comes() -> None:
    pace = Pace(1000.0)
    assert not pace.enough(0, 0.0)  # there is nothing to compare with
    assert not pace.enough(10_000, LOOK_S / 2)  # too soon to say
    assert pace.enough(10_000, 1.0)
    assert pace.enough(11_000, 2.0)
    assert not pace.enough(11_999, 3.0)  # a byte too few
    assert not pace.enough(50, 4.0)  # another connection
    assert pace.enough(5_000, 5.0)
