import pytest

from participant.actions import Actions, Stop
from participant.conversation import Conversation, Phase
from participant.jobs import BuildJob
from protocol.errors import RunFailed
from protocol.keys import KeyPair
from protocol.messages import Heartbeat, Leave, Ready, Refuse, RefuseReason
from protocol.monitoring import Happened
from tests.participant.conversation.talk import (
    BUILT,
    KEY,
    at_beats,
    calling,
    error_of,
    events,
    job_of,
    ready,
    sent,
)
from tests.participant.examples import COORDINATOR, MANIFEST, OTHER_MANIFEST, RUN, SPLIT, join, welcome


def test_it_joins_is_welcomed_prepares_and_is_ready() -> None:
    conversation = calling()
    assert sent(conversation.tick(0.0)) == [join()]
    build = job_of(conversation.received(welcome(), None, 0.5))
    assert isinstance(build, BuildJob)
    assert build.run == RUN
    ready = Ready(run=RUN, manifest_digest=MANIFEST.digest, split=SPLIT)
    assert sent(conversation.finished(build, BUILT)) == [ready]
    assert conversation.phase is Phase.READY


def test_it_repeats_its_join_every_heartbeat_and_says_once_that_it_waits() -> None:
    actions = at_beats(calling(), until=5.0)
    assert sent(actions) == [join()] * 6
    assert events(actions) == ["waiting_for_coordinator"]


def test_it_gives_up_when_its_patience_is_over() -> None:
    error = error_of(at_beats(calling(patience_s=300), until=1000))
    assert isinstance(error, RunFailed)
    assert str(error) == f"no answer from {COORDINATOR} after 300 s; is a coordinator running there?"


def test_while_it_was_suspended_it_has_not_waited_in_vain() -> None:
    conversation = calling(patience_s=300)
    at_beats(conversation, until=10)
    assert sent(conversation.tick(1000.0)) == [join()]
    at_beats(conversation, until=1280)
    assert conversation.phase is Phase.CALLING
    assert "no answer from" in str(error_of(at_beats(conversation, until=1400)))


@pytest.mark.parametrize(
    ("key", "how", "says"),
    [
        (KEY, Happened.KEY_REFUSED, f"fedmeta keys allow ann '{KEY.public}'"),
        (KEY, Happened.OTHER_MECHANISM, "has no keys; leave out --key"),
        (None, Happened.OTHER_MECHANISM, "wants keys; name yours with --key"),
        (KEY, Happened.NO_HANDSHAKE, "has another key than --coordinator-key says"),
    ],
)
def test_a_handshake_that_fails_is_said_once_and_is_what_patience_ends_with(
    key: KeyPair | None, how: Happened, says: str
) -> None:
    conversation = Conversation(join(), COORDINATOR, 300.0, now=0.0, key=key)
    actions: Actions = []
    for happened in (how, Happened.CLOSED) * 3:
        actions += conversation.shaken(happened)
    assert events(actions) == ["locked_out"]
    assert says in str(error_of(at_beats(conversation, until=1000)))


def test_a_handshake_that_succeeds_or_is_broken_off_once_is_no_trouble() -> None:
    conversation = Conversation(join(), COORDINATOR, 300.0, now=0.0, key=KEY)
    assert conversation.shaken(Happened.NO_HANDSHAKE) == []
    conversation.shaken(Happened.KEY_REFUSED)
    assert conversation.shaken(Happened.SHAKEN_HANDS) == []
    assert "no answer from" in str(error_of(at_beats(conversation, until=1000)))


def test_it_joins_at_once_when_a_connection_comes_about() -> None:
    assert sent(calling().connected(0.3)) == [join()]
    assert ready().connected(0.3) == []


def test_heartbeats_go_on_while_it_prepares() -> None:
    conversation = calling()
    conversation.received(welcome(heartbeat_s=2.0), None, 0.5)
    assert sent(at_beats(conversation, until=5.0)) == [Heartbeat(run=RUN)] * 3


def test_a_model_of_other_parameters_is_an_end() -> None:
    conversation = calling()
    build = job_of(conversation.received(welcome(manifest=OTHER_MANIFEST), None, 0.5))
    actions = conversation.finished(build, BUILT)
    assert sent(actions) == [Leave(run=RUN, reason="its model has other parameters")]
    assert "the model built here has other parameters" in str(error_of(actions))


def test_an_encoding_that_this_version_does_not_have_is_an_end() -> None:
    strange = welcome().model_copy(update={"scenario": '[federation]\nencoding = "zip"\n'})
    error = error_of(calling().received(strange, None, 0.5))
    assert isinstance(error, RunFailed)
    assert "federation.encoding: no encoding is named 'zip'" in str(error)


def test_a_scenario_that_this_version_cannot_read_is_an_end() -> None:
    strange = welcome().model_copy(update={"scenario": "[federation]\nmystery = 1\n"})
    error = error_of(calling().received(strange, None, 0.5))
    assert "federation" in str(error)
    assert isinstance(error, RunFailed)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            "other_version",
            "speaks another version of the protocol (why); install the same version of fedmeta",
        ),
        ("other_manifest", "has other parameters than that of"),
        ("other_split", "point --data-dir at it"),
        ("bad_share", "leave --share out"),
        ("other_name", "knows this key by another name than 'ann' (why); leave --name to the key"),
        ("revoked", "does not let this key in any more (why)"),
        ("too_fast", "wants less of this participant (why)"),
    ],
)
def test_a_refusal_is_one_line_with_a_remedy(reason: RefuseReason, expected: str) -> None:
    error = error_of(calling().received(Refuse(reason=reason, detail="why\n"), None, 0.5))
    assert isinstance(error, RunFailed)
    assert expected in str(error)
    assert "\n" not in str(error)


TAKEN = Refuse(reason="name_taken", detail="")


def answered_taken(conversation: Conversation, until: float) -> Actions:
    """Each join is refused, as by a coordinator that knows a live participant of this name."""
    actions: Actions = []
    while conversation.phase is not Phase.OVER and conversation.next_beat <= until:
        now = conversation.next_beat
        actions += conversation.tick(now) + conversation.received(TAKEN, None, now)
    return actions


def test_a_taken_name_is_tried_until_a_dead_holder_would_have_been_missed() -> None:
    conversation = calling()
    assert sent(answered_taken(conversation, until=11.0)) == [join()] * 12
    error = error_of(answered_taken(conversation, until=14.0))
    assert "has a live participant named 'ann'" in str(error)


def test_once_welcomed_the_name_is_ours_and_is_tried_with_patience() -> None:
    conversation = ready()
    conversation.undelivered(1.0)
    assert not any(isinstance(action, Stop) for action in answered_taken(conversation, until=290.0))
    assert "named 'ann'" in str(error_of(answered_taken(conversation, until=400.0)))
