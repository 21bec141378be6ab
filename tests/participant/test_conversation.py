import pytest
from hypothesis import given
from hypothesis import strategies as st

from participant.actions import Action, Actions, Cancel, Note, Reconnect, Send, Start, Stop
from participant.conversation import Conversation, Phase
from participant.jobs import BuildJob, Built, Cancelled, Evaluated, Failed, Job, Outcome, Trained, TrainJob
from protocol.errors import RunFailed, UsageProblem
from protocol.keys import KeyPair
from protocol.messages import (
    Accepted,
    AnyMessage,
    Evaluate,
    EvaluationReport,
    Fetch,
    Heartbeat,
    Leave,
    Message,
    Offer,
    Ready,
    Refuse,
    RefuseReason,
    Rejected,
    Share,
    Shutdown,
    Train,
    Update,
    Welcome,
)
from protocol.monitoring import Happened
from protocol.traffic import Traffic
from tests.participant.examples import (
    COORDINATOR,
    MANIFEST,
    OTHER_MANIFEST,
    OTHER_RUN,
    RUN,
    SPLIT,
    evaluate,
    join,
    measurement,
    model,
    train,
    welcome,
)

KEY = KeyPair.new("ann")
SHARE = Share(index=0, count=2)
BUILT = Built(MANIFEST.digest, SPLIT, seconds=0.5, device="cpu")
TRAINED = Trained(model(0.25), seconds=2.0)
EVALUATED = Evaluated((measurement(),), seconds=3.0)


def calling(auditor: bool = False, patience_s: float = 300.0) -> Conversation:
    return Conversation(join(auditor), COORDINATOR, patience_s, now=0.0)


def ready(auditor: bool = False) -> Conversation:
    conversation = calling(auditor)
    conversation.tick(0.0)
    build = job_of(conversation.received(welcome(), None, 0.5))
    conversation.finished(build, BUILT)
    assert conversation.phase is Phase.READY
    return conversation


def job_of(actions: Actions) -> Job:
    [start] = [action for action in actions if isinstance(action, Start)]
    return start.job


def sent(actions: Actions) -> list[Message]:
    return [action.message for action in actions if isinstance(action, Send)]


def events(actions: Actions) -> list[str]:
    return [action.event for action in actions if isinstance(action, Note)]


def error_of(actions: Actions) -> BaseException | None:
    [stop] = [action for action in actions if isinstance(action, Stop)]
    return stop.error


def at_beats(conversation: Conversation, until: float) -> Actions:
    """All that happens when nothing comes in until then."""
    actions: Actions = []
    while conversation.phase is not Phase.OVER and conversation.next_beat <= until:
        actions += conversation.tick(conversation.next_beat)
    return actions


# Joining


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


# Names

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


# Losing the coordinator


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


# Rounds


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


def to_offer(number: int) -> Train:
    return train(number).model_copy(update={"offer": True})


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


# The end


def test_a_completed_run_is_a_good_end() -> None:
    assert error_of(ready().received(Shutdown(run=RUN, failed=False, reason="done"), None, 1.0)) is None


def test_a_failed_run_ends_with_the_coordinators_reason() -> None:
    error = error_of(ready().received(Shutdown(run=RUN, failed=True, reason="disk\nfull"), None, 1.0))
    assert isinstance(error, RunFailed)
    assert str(error) == "the run failed: disk full"


def test_leaving_says_so_and_cancels_the_work() -> None:
    conversation = ready()
    conversation.received(train(), model(), 1.0)
    actions = conversation.leave("stopped")
    assert sent(actions) == [Leave(run=RUN, reason="stopped")]
    assert actions[-2:] == [Cancel(), Stop()]
    assert conversation.leave("stopped") == []


def test_an_error_of_the_role_is_an_end_and_only_its_public_side_is_told() -> None:
    conversation = ready()
    job = job_of(conversation.received(train(), model(), 1.0))
    secret = UsageProblem("no attack is named 'x'")
    actions = conversation.finished(job, Failed(secret, "failed while training"))
    assert sent(actions) == [Leave(run=RUN, reason="failed while training")]
    assert error_of(actions) is secret


# Whatever comes, in whatever order

RUNS = st.sampled_from([RUN, OTHER_RUN])
ROUNDS = st.integers(0, 3)
MESSAGES: st.SearchStrategy[AnyMessage] = st.one_of(
    st.builds(welcome, RUNS, st.sampled_from([MANIFEST, OTHER_MANIFEST])),
    st.builds(lambda run: welcome(run), RUNS),
    st.builds(train, ROUNDS, RUNS),
    st.builds(to_offer, ROUNDS),
    st.builds(evaluate, ROUNDS, RUNS, st.sampled_from([None, SHARE])),
    st.builds(lambda run, number: Accepted(run=run, round=number), RUNS, ROUNDS),
    st.builds(lambda run: Rejected(run=run, round=None, reason="late"), st.one_of(st.none(), RUNS)),
    st.builds(lambda run, number: Fetch(run=run, round=number), RUNS, st.integers(1, 3)),
    st.builds(lambda run: Heartbeat(run=run), RUNS),
    st.builds(lambda run: Shutdown(run=run, failed=False, reason=""), RUNS),
    st.builds(
        lambda reason: Refuse(reason=reason, detail=""),
        st.sampled_from(["not_joined", "not_joined", "name_taken", "bad_share"]),
    ),
    st.just(join()),
    st.builds(lambda run: Leave(run=run, reason=""), RUNS),
)
HAPPENINGS = st.one_of(
    MESSAGES,
    st.sampled_from(["tick", "tick", "connected", "undelivered", "leave"]),
    st.sampled_from([0.0, 1.0, 3.0]).map(model),
    st.sampled_from(["works", "works", "cancelled", "fails"]),
)
OUTCOMES: dict[str, dict[str, Outcome]] = {
    "preparing": {"works": BUILT},
    "training": {"works": TRAINED, "cancelled": Cancelled()},
    "evaluating": {"works": EVALUATED, "cancelled": Cancelled()},
}


@given(st.booleans(), st.lists(st.tuples(HAPPENINGS, st.floats(0, 4)), max_size=60))
def test_whatever_happens_it_never_raises_and_answers_only_what_was_asked_since_it_was_welcomed(
    auditor: bool, happenings: list[tuple[object, float]]
) -> None:
    conversation = calling(auditor, patience_s=60)
    now, parameters = 0.0, model()
    working: Job | None = None
    asked: set[tuple[str, str, int]] = set()

    def happen(happening: object) -> list[Action]:
        nonlocal working, parameters
        match happening:
            case "tick":
                return conversation.tick(now)
            case "connected":
                return conversation.connected(now)
            case "undelivered":
                return conversation.undelivered(now)
            case "leave":
                return conversation.leave("stopped")
            case "works" | "cancelled" | "fails" as how:
                if working is None:
                    return []
                job, working = working, None
                failed = Failed(RunFailed("broken"), "broken")
                return conversation.finished(job, OUTCOMES[job.doing].get(how, failed))
            case Message() as message:
                if isinstance(message, Train | Evaluate):
                    kind = "update" if isinstance(message, Train) else "evaluation"
                    asked.add((kind, message.run, message.round))
                if isinstance(message, Welcome) and conversation.phase is Phase.CALLING:
                    asked.clear()
                return conversation.received(message, parameters, now)  # type: ignore[arg-type]
        parameters = happening  # type: ignore[assignment]
        return []

    for happening, pause in happenings:
        now += pause
        was_over = conversation.phase is Phase.OVER
        for action in happen(happening):
            assert not was_over
            match action:
                case Start(job):
                    assert working is None, "one job at a time"
                    working = job
                case Send(Update() | Offer() | EvaluationReport() as answer):
                    kind = "evaluation" if isinstance(answer, EvaluationReport) else "update"
                    assert (kind, answer.run, answer.round) in asked
                    assert not (auditor and isinstance(answer, Update | Offer))
                case Stop():
                    assert conversation.phase is Phase.OVER
