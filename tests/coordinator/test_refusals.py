"""What is turned away is counted, and said within bounds."""

from coordinator.admission import Refusal
from coordinator.effects import Effect
from coordinator.journal import JournalEvent, MessageRefused, RefusalsUnsaid
from coordinator.refusals import MOST_SAID, SAID_S, Refusals

REFUSAL = Refusal("not_joined", "join first")


def said(effects: list[Effect]) -> list[JournalEvent]:
    return [effect for effect in effects if isinstance(effect, JournalEvent)]


def refuse(refusals: Refusals, sender: int, now: float) -> list[JournalEvent]:
    return said(refusals.refuse(b"%d" % sender, None, REFUSAL, 1, now))


def test_each_is_said_once_in_a_round_and_all_are_counted() -> None:
    refusals = Refusals()
    expected = MessageRefused(1, b"7".hex(), "not_joined", "join first")
    assert [refuse(refusals, 7, 0.0) for _ in range(3)] == [[expected], [], []]
    assert refusals.next_round() == {"not_joined": 3}
    assert refuse(refusals, 7, 1.0) == [expected]


def test_too_many_to_be_said_are_said_to_be_too_many_once() -> None:
    refusals = Refusals()
    for sender in range(MOST_SAID):
        assert len(refuse(refusals, sender, 5.0)) == 1
    assert refuse(refusals, MOST_SAID, 6.0) == [RefusalsUnsaid(MOST_SAID, SAID_S)]
    assert refuse(refusals, MOST_SAID + 1, 7.0) == []


def test_while_no_round_completes_they_are_said_again_after_a_time() -> None:
    refusals = Refusals()
    for sender in range(MOST_SAID + 2):
        refuse(refusals, sender, 5.0)
    assert refuse(refusals, 0, 5.0 + SAID_S) == []
    assert len(refuse(refusals, 0, 6.0 + SAID_S)) == 1
    assert refuse(refusals, 0, 7.0 + SAID_S) == []
