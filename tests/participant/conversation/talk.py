"""A conversation at the points where tests begin, and what its actions say."""

from participant.actions import Actions, Note, Send, Start, Stop
from participant.conversation import Conversation, Phase
from participant.jobs import Built, Evaluated, Job, Trained
from protocol.keys import KeyPair
from protocol.messages import Message, Share, Train
from tests.participant.examples import COORDINATOR, MANIFEST, SPLIT, join, measurement, model, train, welcome

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


def to_offer(number: int) -> Train:
    return train(number).model_copy(update={"offer": True})
