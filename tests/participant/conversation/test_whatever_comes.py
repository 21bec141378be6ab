from hypothesis import given
from hypothesis import strategies as st

from participant.actions import Action, Send, Start, Stop
from participant.conversation import Phase
from participant.jobs import Cancelled, Failed, Job, Outcome
from protocol.errors import RunFailed
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
    Refuse,
    Rejected,
    Shutdown,
    Train,
    Update,
    Welcome,
)
from tests.participant.conversation.talk import BUILT, EVALUATED, SHARE, TRAINED, calling, to_offer
from tests.participant.examples import (
    MANIFEST,
    OTHER_MANIFEST,
    OTHER_RUN,
    RUN,
    evaluate,
    join,
    model,
    train,
    welcome,
)

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
