from participant.actions import Actions, Cancel, Reconnect, Send, Start
from participant.conversation import Conversation, Phase
from participant.jobs import BuildJob
from protocol.messages import Heartbeat, Ready, Refuse
from protocol.traffic import Traffic
from tests.participant.conversation.talk import BUILT, TRAINED, at_beats, calling, events, job_of, ready, sent
from tests.participant.examples import OTHER_RUN, RUN, join, model, train, welcome


def test_a_silent_coordinator_is_lost_and_called_on_a_new_connection() -> None:
    actions = at_beats(ready(), until=11.0)
    assert "coordinator_lost" in events(actions)
    assert actions[-2:] == [Reconnect(), Send(join())]


def test_any_valid_message_shows_that_the_coordinator_is_there() -> None:
    conversation = ready()
    for now in range(1, 60):
        conversation.received(Heartbeat(run=RUN), None, float(now))
        conversation.tick(float(now))
    assert conversation.phase is Phase.READY


def moving(conversation: Conversation, per_s: int, waiting: int, until: int) -> Actions:
    """Nothing is heard, and so many bytes a second are acknowledged."""
    actions: Actions = []
    for now in range(1, until):
        conversation.moved(Traffic(received=0, acknowledged=per_s * now, waiting=waiting), float(now))
        actions += conversation.tick(float(now))
    return actions


def test_a_long_message_that_gets_on_shows_that_the_coordinator_is_there_and_no_heartbeats_pile_up() -> None:
    assert moving(ready(), 5000, waiting=100_000, until=60) == []


def test_one_that_does_not_get_on_does_not() -> None:
    assert "coordinator_lost" in events(moving(ready(), 1, waiting=100_000, until=60))


def test_heartbeats_go_on_while_something_is_received() -> None:
    assert len(sent(moving(ready(), 5000, waiting=0, until=60))) >= 50


def test_where_nobody_says_what_has_moved_only_whole_messages_count() -> None:
    conversation = ready()
    for now in range(1, 12):
        conversation.moved(None, float(now))
    assert "coordinator_lost" in events(at_beats(conversation, until=11.0))


def test_a_message_that_cannot_be_sent_shows_that_it_is_not() -> None:
    conversation = ready()
    actions = conversation.undelivered(1.0)
    assert events(actions) == ["coordinator_lost"]
    assert sent(actions) == [join()]
    assert conversation.undelivered(1.0) == []


def test_a_restarted_coordinator_is_joined_at_once() -> None:
    conversation = ready()
    actions = conversation.received(Refuse(reason="not_joined", detail=""), None, 5.0)
    assert sent(actions) == [join()]
    assert conversation.received(Refuse(reason="not_joined", detail=""), None, 5.0) == []


def test_what_was_built_is_used_again_after_a_rejoin() -> None:
    conversation = ready()
    conversation.undelivered(1.0)
    actions = conversation.received(welcome(), None, 4.0)
    assert events(actions) == ["rejoined"]
    assert isinstance(sent(actions)[0], Ready)
    assert not any(isinstance(action, Start) for action in actions)


def test_a_join_that_crossed_a_welcome_is_answered_again() -> None:
    conversation = ready()
    assert isinstance(sent(conversation.received(welcome(), None, 4.0))[0], Ready)


def test_a_call_without_an_answer_is_made_on_new_connections() -> None:
    actions = at_beats(calling(), until=35.0)
    assert actions.count(Reconnect()) == 3


def test_another_run_is_prepared_for_anew() -> None:
    conversation = ready()
    training = job_of(conversation.received(train(), model(), 1.0))
    conversation.undelivered(2.0)
    actions = conversation.received(welcome(run=OTHER_RUN), None, 3.0)
    assert events(actions) == ["joined"]
    assert Cancel() in actions
    build = job_of(conversation.finished(training, TRAINED))
    assert isinstance(build, BuildJob)
    assert build.run == OTHER_RUN
    assert isinstance(sent(conversation.finished(build, BUILT))[0], Ready)


def test_what_was_built_for_the_run_before_is_not_taken_for_this_one() -> None:
    conversation = calling()
    old = job_of(conversation.received(welcome(), None, 0.5))
    conversation.received(welcome(run=OTHER_RUN), None, 1.0)
    actions = conversation.finished(old, BUILT)
    assert sent(actions) == []
    assert isinstance(sent(conversation.finished(job_of(actions), BUILT))[0], Ready)
