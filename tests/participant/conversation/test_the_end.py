from participant.actions import Cancel, Stop
from participant.jobs import Failed
from protocol.errors import RunFailed, UsageProblem
from protocol.messages import Leave, Shutdown
from tests.participant.conversation.talk import error_of, job_of, ready, sent
from tests.participant.examples import RUN, model, train


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
