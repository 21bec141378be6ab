"""How much one sender may ask, and which connections cost too much."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.connections import FIRST_MESSAGE, IN_FLIGHT, MOST_OF_A_KEY, Connections, Cut, limited
from coordinator.limits import Buckets, message_buckets
from tests.coordinator import tiny

PEER = b"\0peer"


class TestBuckets:
    def test_a_burst_then_so_many_a_second(self) -> None:
        buckets: Buckets[str] = Buckets(3, 2.0)
        assert [buckets.take("ann", 0.0) for _ in range(5)] == [True, True, True, False, False]
        assert [buckets.take("ann", 0.5), buckets.take("ann", 0.5)] == [True, False]

    def test_one_sender_takes_nothing_from_another(self) -> None:
        buckets: Buckets[str] = Buckets(1, 1.0)
        assert buckets.take("eve", 0.0)
        assert not buckets.take("eve", 0.0)
        assert buckets.take("ann", 0.0)

    def test_of_too_many_senders_the_longest_quiet_is_forgotten(self) -> None:
        buckets: Buckets[int] = Buckets(1, 0.001, most=2)
        for sender in (1, 2, 3):
            assert buckets.take(sender, 0.0)
        assert buckets.take(1, 0.0)
        assert not buckets.take(3, 0.0)

    @given(
        st.lists(st.tuples(st.integers(0, 2), st.floats(0, 3)), max_size=200),
        st.integers(1, 10),
        st.floats(0.1, 10),
    )
    def test_nobody_ever_gets_more_than_the_burst_and_the_rate(
        self, asked: list[tuple[int, float]], burst: int, per_s: float
    ) -> None:
        buckets: Buckets[int] = Buckets(burst, per_s)
        now, granted = 0.0, dict.fromkeys(range(3), 0)
        for sender, pause in asked:
            now += pause
            granted[sender] += buckets.take(sender, now)
            assert granted[sender] <= burst + now * per_s + 1e-6

    @given(st.lists(st.floats(0.1, 5), max_size=100))
    def test_who_keeps_to_the_rate_is_never_refused(self, pauses: list[float]) -> None:
        buckets: Buckets[str] = Buckets(1, 10.0001)
        now = 0.0
        for pause in pauses:
            now += pause
            assert buckets.take("ann", now)

    @given(st.lists(st.booleans(), max_size=50))
    def test_what_is_given_back_was_never_taken(self, kept: list[bool]) -> None:
        buckets: Buckets[str] = Buckets(5, 1.0)
        left = 5
        for keep in kept:
            assert buckets.take("ann", 0.0) == (left > 0)
            if keep:
                left = max(0, left - 1)
            elif left > 0:
                buckets.give_back("ann", 1)
        assert [buckets.take("ann", 0.0) for _ in range(left + 1)] == [True] * left + [False]

    def test_to_give_back_makes_no_burst_larger_and_knows_no_stranger(self) -> None:
        buckets: Buckets[str] = Buckets(2, 1.0)
        buckets.give_back("ann", 9)
        assert [buckets.take("ann", 0.0) for _ in range(3)] == [True, True, False]
        buckets.give_back("ann", 9)
        assert [buckets.take("ann", 0.0) for _ in range(3)] == [True, True, False]

    @pytest.mark.parametrize("heartbeat_s", [0.05, 1.0, 60.0])
    def test_a_participant_that_was_not_heard_for_a_minute_is_within_its_limit(
        self, heartbeat_s: float
    ) -> None:
        rules = tiny.scenario(heartbeat_s=heartbeat_s, liveness_s=600.0).federation
        buckets = message_buckets(rules)
        assert all(buckets.take("ann", 0.0) for _ in range(round(60 / heartbeat_s) + 60))


def connections(**changes: float) -> Connections:
    settings = {"most": 3, "quiet_s": 30.0, "endless": 1000, "first": 100, **changes}
    return Connections(
        most=int(settings["most"]),
        quiet_s=settings["quiet_s"],
        endless=int(settings["endless"]),
        first=int(settings["first"]),
        now=0.0,
    )


class TestConnections:
    def test_who_says_whole_messages_is_left_alone(self) -> None:
        there = connections()
        there.accepted(7, 0.0)
        received = count(900, 900)
        for second in range(1, 100):
            there.heard(7, PEER, second)
            assert there.too_much(second, lambda fd: next(received)) == []

    def test_a_message_without_an_end_is_cut_after_so_many_bytes(self) -> None:
        there = connections()
        there.accepted(7, 0.0)
        there.heard(7, PEER, 1.0)
        assert there.too_much(1.0, lambda fd: 500) == []
        assert there.too_much(2.0, lambda fd: 1500) == []
        assert there.too_much(3.0, lambda fd: 1501) == [Cut(7, "endless", PEER)]
        assert there.too_much(4.0, lambda fd: 9999) == []

    def test_one_that_never_said_a_whole_message_after_fewer(self) -> None:
        there = connections()
        there.accepted(7, 0.0)
        there.accepted(8, 0.0)
        assert there.too_much(1.0, {7: 100, 8: 101}.get) == [Cut(8, "endless", None)]
        assert there.too_much(2.0, lambda fd: 101) == [Cut(7, "endless", None)]

    def test_who_is_quiet_is_cut_unless_this_process_was(self) -> None:
        there = connections()
        there.accepted(7, 0.0)
        for second in range(1, 31):
            assert there.too_much(second, lambda fd: 0) == []
        assert there.too_much(30.5, lambda fd: 0) == [Cut(7, "quiet", None)]
        there.accepted(8, 31.0)
        assert there.too_much(100.0, lambda fd: 0) == []

    def test_who_is_in_the_middle_of_a_long_message_is_there_as_long_as_it_gets_on(self) -> None:
        there = connections(endless=10**9, first=10**9)
        for fd in (7, 8, 9):
            there.accepted(fd, 0.0)
        there.heard(7, b"fast", 0.0)
        there.heard(8, b"slow", 0.0)  # and 9 has not said who it is
        sent = {7: 0, 8: 0, 9: 0}
        for second in range(1, 30):
            alive = list(there.bringing_on(second, sent.get))
            assert alive == ([b"fast"] if second > 1 else [])
            assert there.too_much(second, sent.get) == []
            sent = {7: sent[7] + 2000, 8: sent[8] + 1, 9: sent[9] + 2000}
        assert [cut.fd for cut in there.too_much(40.0, sent.get)] == [8, 9]

    def test_of_a_crowd_the_oldest_that_never_spoke_go_and_then_the_newest(self) -> None:
        there = connections()
        for fd in (1, 2, 3, 4, 5):
            there.accepted(fd, fd)
        there.heard(2, PEER, 5.0)
        assert [cut.fd for cut in there.too_much(6.0, lambda fd: 0)] == [1, 3]
        there.heard(4, PEER, 6.0)
        there.heard(5, PEER, 6.0)
        there.accepted(6, 6.0)
        there.heard(6, PEER, 6.0)
        assert there.too_much(7.0, lambda fd: 0) == [Cut(6, "crowded", PEER)]

    def test_of_one_key_the_newest_few_stay(self) -> None:
        there = connections(most=100)
        for fd in range(MOST_OF_A_KEY + 2):
            there.accepted(fd, fd)
            there.heard(fd, b"%d" % fd, fd, key="eve's")
        there.accepted(50, 9.0)
        there.heard(50, PEER, 9.0, key="ann's")
        crowded = [Cut(0, "crowded", b"0", "eve's"), Cut(1, "crowded", b"1", "eve's")]
        assert there.too_much(10.0, lambda fd: 0) == crowded
        assert there.too_much(11.0, lambda fd: 0) == []

    def test_of_a_crowd_the_keys_with_most_go_first_and_a_newcomer_stays(self) -> None:
        there = connections(most=4)
        for fd, key in enumerate(["eve's", "eve's", "bob's", "eve's", "bob's", "ann's"]):
            there.accepted(fd, fd)
            there.heard(fd, b"%d" % fd, fd, key=key)
        there.accepted(6, 6.0)  # it has not spoken yet
        assert [cut.fd for cut in there.too_much(7.0, lambda fd: 0)] == [0, 1, 2]

    def test_without_keys_nobody_is_counted_with_another(self) -> None:
        there = connections(most=100)
        for fd in range(2 * MOST_OF_A_KEY):
            there.accepted(fd, 0.0)
            there.heard(fd, b"%d" % fd, 0.0)
        assert there.too_much(1.0, lambda fd: 0) == []

    def test_a_message_too_many_ends_what_was_under_way_and_is_no_sign_of_life(self) -> None:
        there = connections()
        there.accepted(7, 0.0)
        there.heard(7, PEER, 0.0)
        for second in range(1, 31):
            there.heard(7, PEER, second, counts=False)
            assert there.too_much(second, lambda fd, at=second: 900 * at) == []  # type: ignore[misc]
        assert there.too_much(31.0, lambda fd: 900 * 31) == [Cut(7, "quiet", PEER)]

    def test_what_the_system_does_not_count_is_not_limited(self) -> None:
        there = connections()
        there.accepted(7, 0.0)
        assert there.too_much(1.0, lambda fd: None) == []

    def test_a_descriptor_that_is_used_again_is_another_connection(self) -> None:
        there = connections()
        there.accepted(7, 0.0)
        there.heard(7, PEER, 0.0)
        there.closed(7)
        there.accepted(7, 10.0)
        assert there.too_much(11.0, lambda fd: 0) == []
        assert there.too_much(12.0, lambda fd: 2000) == [Cut(7, "endless", None)]

    def test_a_federations_largest_message_is_far_from_the_limit(self) -> None:
        there = limited(tiny.scenario().federation, tiny.MANIFEST.size, 1024, 0.0)
        there.accepted(7, 0.0)
        assert there.too_much(0.5, lambda fd: FIRST_MESSAGE) == []
        there.heard(7, PEER, 1.0)
        assert there.too_much(1.0, lambda fd: FIRST_MESSAGE) == []
        assert there.too_much(2.0, lambda fd: FIRST_MESSAGE + IN_FLIGHT) == []
