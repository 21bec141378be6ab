from participant.actions import Cancel, Note, Send, Start
from participant.conversation import Conversation
from participant.jobs import Cancelled, TrainJob
from protocol.messages import Accepted, EvaluationReport, Fetch, Offer, Rejected, Shutdown, Update
from tests.participant.conversation.talk import (
    BUILT,
    EVALUATED,
    SHARE,
    TRAINED,
    calling,
    events,
    job_of,
    ready,
    sent,
    to_offer,
)
from tests.participant.examples import OTHER_RUN, RUN, evaluate, measurement, model, train, welcome


def test_it_trains_and_sends_its_update() -> None:
    conversation = ready()
    job = job_of(conversation.received(train(7), model(), 1.0))
    actions = conversation.finished(job, TRAINED)
    assert Send(Update(run=RUN, round=7, seconds=2.0), TRAINED.delta) in actions
    assert events(actions) == ["update_sent"]
    assert events(conversation.received(Accepted(run=RUN, round=7), None, 1.0)) == ["update_accepted"]
    late = Rejected(run=RUN, round=7, reason="late")
    assert events(conversation.received(late, None, 1.0)) == ["update_rejected"]


def offering() -> Conversation:
    """The update of round 7, which is to be offered."""
    conversation = ready()
    job = job_of(conversation.received(to_offer(7), model(), 1.0))
    actions = conversation.finished(job, TRAINED)
    assert sent(actions) == [Offer(run=RUN, round=7)]
    assert events(actions) == ["update_offered"]
    return conversation


def test_an_update_that_is_to_be_offered_is_sent_when_it_is_fetched() -> None:
    actions = offering().received(Fetch(run=RUN, round=7), None, 2.0)
    assert Send(Update(run=RUN, round=7, seconds=2.0), TRAINED.delta) in actions
    assert events(actions) == ["update_sent"]


def test_what_was_offered_is_offered_again_when_it_is_asked_for_again() -> None:
    conversation = offering()
    conversation.undelivered(2.0)
    conversation.received(welcome(), None, 3.0)
    assert events(conversation.received(Fetch(run=RUN, round=7), None, 3.0)) == ["message_ignored"]
    assert sent(conversation.received(to_offer(7), model(), 3.0)) == [Offer(run=RUN, round=7)]
    assert len(sent(conversation.received(Fetch(run=RUN, round=7), None, 3.0))) == 1


def test_how_an_update_is_to_come_the_last_order_says() -> None:
    assert sent(offering().received(train(7), model(), 3.0)) == [Update(run=RUN, round=7, seconds=2.0)]


def test_what_is_fetched_and_was_not_offered_or_is_out_of_date_is_not_sent() -> None:
    assert events(ready().received(Fetch(run=RUN, round=7), None, 2.0)) == ["message_ignored"]
    assert events(offering().received(Fetch(run=RUN, round=6), None, 2.0)) == ["message_ignored"]
    conversation = offering()
    conversation.received(train(8), model(), 2.0)
    assert events(conversation.received(Fetch(run=RUN, round=7), None, 2.0)) == ["message_ignored"]


def test_an_order_that_is_being_worked_at_is_not_begun_again() -> None:
    conversation = ready()
    conversation.received(train(), model(), 1.0)
    assert events(conversation.received(train(), model(), 2.0)) == ["already_at_it"]


def test_a_newer_round_takes_the_place_of_the_one_at_work() -> None:
    conversation = ready()
    first = job_of(conversation.received(train(1), model(), 1.0))
    assert conversation.received(train(2), model(), 2.0) == [Cancel()]
    assert conversation.received(train(3), model(), 2.5) == []
    second = job_of(conversation.finished(first, Cancelled()))
    assert sent(conversation.finished(second, TRAINED)) == [Update(run=RUN, round=3, seconds=2.0)]


def test_a_result_that_came_although_it_was_cancelled_is_not_sent() -> None:
    conversation = ready()
    first = job_of(conversation.received(train(1), model(), 1.0))
    conversation.received(train(2), model(), 2.0)
    assert sent(conversation.finished(first, TRAINED)) == []


def test_the_same_round_asked_again_is_answered_without_training_again() -> None:
    conversation = ready()
    job = job_of(conversation.received(train(), model(), 1.0))
    conversation.undelivered(2.0)
    assert sent(conversation.finished(job, TRAINED)) == []
    conversation.received(welcome(), None, 3.0)
    assert Send(Update(run=RUN, round=1, seconds=2.0), TRAINED.delta) in conversation.received(
        train(), model(), 3.0
    )


def test_a_result_of_the_run_before_is_no_answer_in_this_one() -> None:
    conversation = ready()
    conversation.finished(job_of(conversation.received(train(), model(), 1.0)), TRAINED)
    conversation.undelivered(2.0)
    changed = welcome(liveness_s=20.0)  # the same run, resumed from a scenario that was edited
    build = job_of(conversation.received(changed, None, 3.0))
    conversation.finished(build, BUILT)
    assert job_of(conversation.received(train(), model(), 4.0))


def test_what_may_be_forgotten_does_not_make_an_order_another_one() -> None:
    conversation = ready()
    conversation.received(train(), model(), 1.0)
    later = train().model_copy(update={"keep_from": 1})
    assert events(conversation.received(later, model(), 2.0)) == ["already_at_it"]


def test_the_same_round_from_another_model_is_trained_anew() -> None:
    conversation = ready()
    conversation.finished(job_of(conversation.received(train(), model(0.0), 1.0)), TRAINED)
    assert job_of(conversation.received(train(), model(1.0), 2.0))


def test_work_goes_on_while_the_coordinator_is_away_and_is_sent_once_it_asks_again() -> None:
    conversation = ready()
    job = job_of(conversation.received(train(), model(), 1.0))
    conversation.undelivered(2.0)
    conversation.received(welcome(), None, 3.0)
    conversation.received(train(), model(), 3.0)
    assert sent(conversation.finished(job, TRAINED)) == [Update(run=RUN, round=1, seconds=2.0)]


def test_a_result_that_nobody_asked_for_since_the_rejoin_is_not_sent() -> None:
    conversation = ready()
    job = job_of(conversation.received(train(), model(), 1.0))
    conversation.undelivered(2.0)
    conversation.received(welcome(), None, 3.0)
    assert sent(conversation.finished(job, TRAINED)) == []


def test_an_auditor_answers_evaluations_in_turn() -> None:
    conversation = ready(auditor=True)
    first = job_of(conversation.received(evaluate(10), model(), 1.0))
    assert conversation.received(evaluate(20), model(), 2.0) == []
    assert conversation.received(evaluate(20), model(), 3.0) == []
    actions = conversation.finished(first, EVALUATED)
    report = EvaluationReport(run=RUN, round=10, seconds=3.0, measurements=(measurement(),))
    assert sent(actions) == [report]
    second = job_of(actions)
    actions = conversation.finished(second, EVALUATED)
    assert not any(isinstance(action, Start) for action in actions)
    assert events(conversation.received(Accepted(run=RUN, round=20), None, 4.0)) == ["evaluation_accepted"]


def test_a_participant_measures_when_it_is_asked_with_its_share() -> None:
    conversation = ready()
    job = job_of(conversation.received(train(9), model(), 1.0))
    conversation.finished(job, TRAINED)
    assert events(conversation.received(Accepted(run=RUN, round=9), None, 1.0)) == ["update_accepted"]
    job = job_of(conversation.received(evaluate(9, share=SHARE), model(), 1.0))
    report = EvaluationReport(run=RUN, round=9, seconds=3.0, measurements=(measurement(),))
    assert sent(conversation.finished(job, EVALUATED)) == [report]
    assert events(conversation.received(Accepted(run=RUN, round=9), None, 2.0)) == ["evaluation_accepted"]
    job_of(conversation.received(train(10), model(), 3.0))


def test_a_round_that_begins_ends_a_measurement() -> None:
    conversation = ready()
    job = job_of(conversation.received(evaluate(9, share=SHARE), model(), 1.0))
    assert conversation.received(train(10), model(), 2.0) == [Cancel()]
    actions = conversation.finished(job, Cancelled())
    assert sent(actions) == []
    assert isinstance(job_of(actions), TrainJob)


def test_orders_that_are_not_for_this_participant_are_ignored() -> None:
    assert events(ready().received(evaluate(), model(), 1.0)) == ["message_ignored"]
    mine = evaluate(share=SHARE)
    assert events(ready(auditor=True).received(mine, model(), 1.0)) == ["message_ignored"]
    assert events(ready(auditor=True).received(train(), model(), 1.0)) == ["message_ignored"]
    assert events(calling().received(train(), model(), 1.0)) == ["message_ignored"]


def test_messages_of_another_run_are_ignored() -> None:
    conversation = ready()
    for message in (train(run=OTHER_RUN), Shutdown(run=OTHER_RUN, failed=True, reason="")):
        [note] = conversation.received(message, model(), 1.0)
        assert note == Note("message_ignored", {"type": message.type, "reason": "foreign"}, "warning")
