"""The participant's side of the conversation as a state machine: no sockets, threads or clocks in it.

Events come in as method calls with the time in seconds; each returns the actions that the session carries
out in their order. Messages are valid models by then, but otherwise anything may come at any time.

calling → (welcome) → preparing → (role built) → ready, and back to calling whenever the coordinator is lost.
"""

from enum import Enum

from participant.actions import Actions, Cancel, Note, Reconnect, Send, Stop
from participant.agenda import Agenda
from participant.jobs import BuildJob, Built, EvaluateJob, Failed, Job, Outcome, TrainJob
from participant.refusals import locked_out, one_line, other_manifest, refusal
from protocol.encodings import ENCODINGS
from protocol.errors import RunFailed, UsageProblem
from protocol.keys import KeyPair
from protocol.manifest import Manifest, Parameters
from protocol.messages import (
    Accepted,
    AnyMessage,
    Evaluate,
    Fetch,
    Heartbeat,
    Join,
    Leave,
    Ready,
    Refuse,
    Rejected,
    Shutdown,
    Train,
    Welcome,
)
from protocol.monitoring import Happened
from protocol.scenario import parse_scenario
from protocol.traffic import SLOWEST, Pace, Traffic, slowest

HEARTBEAT_S = 1.0  # until the scenario says otherwise; calls are never rarer
LIVENESS_S = 10.0


class Phase(Enum):
    CALLING = "calling"
    PREPARING = "preparing"
    READY = "ready"
    OVER = "over"


class Conversation:
    """``join`` is what this participant says about itself: nothing in it tells benign from malicious.
    ``key``: what it shows to the coordinator, if there are keys."""

    def __init__(
        self, join: Join, coordinator: str, patience_s: float, now: float, key: KeyPair | None = None
    ) -> None:
        self.phase = Phase.CALLING
        self.next_beat = now
        self._join = join
        self._coordinator = coordinator
        self._patience_s = patience_s
        self._key = key
        self._locked_out: str | None = None
        self._broken_off = 0  # handshakes in a row
        self._heartbeat_s, self._liveness_s = HEARTBEAT_S, LIVENESS_S
        self._absent_since = now
        self._heard = now  # or tried another socket
        self._pace = Pace(SLOWEST)
        self._sending = False  # what was given to the socket is still on its way out
        self._name_taken_since: float | None = None
        self._waiting_noted_after: float | None = now + HEARTBEAT_S
        self._welcome: Welcome | None = None
        self._build: BuildJob | None = None  # for the run of the welcome
        self._built: Built | None = None
        self._agenda = Agenda()

    @property
    def manifest(self) -> Manifest | None:
        """What received parameters must fit; known from the welcome on."""
        return self._welcome.manifest if self._welcome else None

    # Time and connection

    def tick(self, now: float) -> Actions:
        """To be called at :attr:`next_beat`, after all that was received until then: else a participant
        that was held up itself would take the coordinator for silent."""
        if self.phase is Phase.OVER or now < self.next_beat:
            return []
        if self._welcome is None or self.phase is Phase.CALLING:
            return self._call_again(now)
        if now - self._heard >= self._liveness_s:
            return self._lose("silent", now)
        self.next_beat = now + self._heartbeat_s
        # Behind a long message heartbeats would only pile up; that it gets on says as much.
        return [] if self._sending else [Send(Heartbeat(run=self._welcome.run))]

    def moved(self, traffic: Traffic | None, now: float) -> None:
        """What has moved on the connection, where that is known: a long message that gets on, in whichever
        direction, is a sign of life."""
        if traffic is None or self.phase is Phase.CALLING:
            self._sending = False
            return
        self._sending = traffic.waiting > 0
        if self._pace.enough(traffic.received + traffic.acknowledged, now):
            self._heard = now

    def connected(self, now: float) -> Actions:
        """There is a connection, after a join that could not be sent."""
        return self._call(now) if self.phase is Phase.CALLING else []

    def undelivered(self, now: float) -> Actions:
        """A message could not be sent: the connection is gone. A result is asked for again later."""
        if self.phase in (Phase.CALLING, Phase.OVER):
            return []
        return self._lose("disconnected", now)

    def shaken(self, how: Happened, code: int = 0) -> Actions:
        """A handshake has succeeded, or failed; ``code`` is libzmq's own word for how. One that was broken
        off may have met a coordinator that was just ending; two tell of something else."""
        if how in (Happened.ACCEPTED, Happened.CLOSED):
            return []
        self._broken_off = self._broken_off + 1 if how is Happened.NO_HANDSHAKE else 0
        why = locked_out(how, self._coordinator, self._join.name, self._key)
        if how is Happened.NO_HANDSHAKE and self._broken_off < 2:
            return []
        known, self._locked_out = self._locked_out, why
        fields = {"reason": why, "code": code}
        return [Note("locked_out", fields, "warning")] if why and why != known else []

    def _call_again(self, now: float) -> Actions:
        late = now - self.next_beat
        if late > self._liveness_s:
            # This process was suspended: nobody was called meanwhile, so nobody has failed to answer.
            self._absent_since += late
        if now - self._absent_since >= self._patience_s:
            return self._stop(self._nobody())
        actions: Actions = []
        if self._waiting_noted_after is not None and now >= self._waiting_noted_after:
            self._waiting_noted_after = None
            fields = {"address": self._coordinator, "patience_s": self._patience_s}
            actions.append(Note("waiting_for_coordinator", fields))
        if now - self._heard >= self._liveness_s:
            self._heard = now
            actions.append(Reconnect())
        return actions + self._call(now)

    def _call(self, now: float) -> Actions:
        patient_until = self._absent_since + self._patience_s
        self.next_beat = min(now + min(self._heartbeat_s, HEARTBEAT_S), patient_until)
        return [Send(self._join)]

    def _lose(self, how: str, now: float) -> Actions:
        self._absent_since = self._heard = now
        self.phase = Phase.CALLING
        fields = {"how": how, "address": self._coordinator}
        return [Note("coordinator_lost", fields, "warning"), Reconnect(), *self._call(now)]

    def _nobody(self) -> RunFailed:
        if self._name_taken_since is not None:
            return refusal(Refuse(reason="name_taken", detail=""), self._join.name, self._coordinator)
        if self._locked_out is not None:
            return RunFailed(self._locked_out)
        return RunFailed(
            f"no answer from {self._coordinator} after {self._patience_s:g} s; "
            "is a coordinator running there?"
        )

    # What the coordinator says

    def received(self, message: AnyMessage, parameters: Parameters | None, now: float) -> Actions:
        if self.phase is Phase.OVER:
            return []
        match message:
            case Welcome():
                return self._welcomed(message, now)
            case Refuse():
                return self._refused(message, now)
            case Train() | Fetch() | Evaluate() | Accepted() | Rejected() | Shutdown() | Heartbeat():
                if self._welcome is None or message.run not in (self._welcome.run, None):
                    return [_ignored(message.type, "foreign")]
                self._heard = now
                return self._told(message, parameters)
            case _:
                return [_ignored(message.type, "unexpected")]

    def _told(
        self,
        message: Train | Fetch | Evaluate | Accepted | Rejected | Shutdown | Heartbeat,
        sent: Parameters | None,
    ) -> Actions:
        match message:
            case Fetch():
                wanted = self._agenda.fetched(message.round) if self.phase is Phase.READY else []
                return wanted or [_ignored("fetch", "unexpected", message.round)]
            case Train() | Evaluate():
                return self._ordered(message, sent)
            case Accepted():
                return [Note(f"{self._agenda.answered}_accepted", {"round": message.round})]
            case Rejected():
                fields = {
                    "round": message.round,
                    "reason": message.reason,
                    "detail": one_line(message.detail),
                }
                return [Note(f"{self._agenda.answered}_rejected", fields, "warning")]
            case Shutdown():
                reason = one_line(message.reason)
                note = Note("run_over", {"failed": message.failed, "reason": reason})
                error = RunFailed(f"the run failed: {reason}") if message.failed else None
                return [note, Send(Leave(run=message.run, reason="the run is over")), *self._stop(error)]
            case Heartbeat():
                return []

    def _welcomed(self, welcome: Welcome, now: float) -> Actions:
        self._heard = now
        actions: Actions = []
        if self._welcome is None or _federation(welcome) != _federation(self._welcome):
            try:
                scenario = parse_scenario(welcome.scenario, source=f"the scenario of {self._coordinator}")
                encoding = ENCODINGS.get(scenario.federation.encoding)(welcome.manifest)
            except UsageProblem as problem:
                return self._stop(RunFailed(one_line(str(problem))))
            self._heartbeat_s = scenario.federation.heartbeat_s
            self._liveness_s = scenario.federation.liveness_s
            self._pace = Pace(slowest(sum(encoding.sizes), scenario.federation.round_deadline_s))
            self._build = BuildJob(welcome.run, scenario)
            self._built = None
            actions += self._agenda.begin(self._build)
        known = self._welcome is not None and self._welcome.run == welcome.run
        self._welcome = welcome
        if self.phase is Phase.CALLING:
            fields = {
                "run": welcome.run,
                "round": welcome.round,
                "absent_s": round(now - self._absent_since, 3),
            }
            actions.insert(0, Note("rejoined" if known else "joined", fields))
            self._agenda.forget_orders()
            self._name_taken_since = self._waiting_noted_after = None
        self.next_beat = min(self.next_beat, now + self._heartbeat_s)
        return actions + self._get_ready()

    def _get_ready(self) -> Actions:
        # A repeated welcome is answered again: the coordinator may have taken a repeated join for a new one.
        if self._built is None or self._welcome is None:
            self.phase = Phase.PREPARING
            return []
        self.phase = Phase.READY
        ready = Ready(
            run=self._welcome.run, manifest_digest=self._built.manifest_digest, split=self._built.split
        )
        return [Send(ready)]

    def _refused(self, refuse: Refuse, now: float) -> Actions:
        self._heard = now
        match refuse.reason:
            case "not_joined":
                return self._forgotten(now)
            case "name_taken":
                return self._name_taken(refuse, now)
            case _:
                return self._stop(refusal(refuse, self._join.name, self._coordinator))

    def _forgotten(self, now: float) -> Actions:
        if self.phase is Phase.CALLING:
            return []  # of what was sent before the join that is on its way
        self.phase = Phase.CALLING
        self._absent_since = now
        return [Note("coordinator_lost", {"how": "not_joined"}, "warning"), *self._call(now)]

    def _name_taken(self, refuse: Refuse, now: float) -> Actions:
        if self.phase is not Phase.CALLING:
            return [_ignored("refuse", "unexpected")]
        if self._name_taken_since is None:
            self._name_taken_since = now
            return [Note("name_taken", {"detail": one_line(refuse.detail)}, "warning")]
        # The holder may be an earlier process of ours, which the coordinator has yet to miss. Once welcomed,
        # the name is ours: then only patience ends the calling.
        grace = self._liveness_s + 2 * self._heartbeat_s
        if self._welcome is None and now - self._name_taken_since >= grace:
            return self._stop(refusal(refuse, self._join.name, self._coordinator))
        return []

    def _ordered(self, order: Train | Evaluate, parameters: Parameters | None) -> Actions:
        if self.phase is not Phase.READY or parameters is None or not self._fits(order):
            return [_ignored(order.type, "unexpected", order.round)]
        if isinstance(order, Train):
            return self._agenda.train(TrainJob(order, parameters))
        return self._agenda.evaluate(EvaluateJob(order, parameters))

    def _fits(self, order: Train | Evaluate) -> bool:
        """An auditor never trains; a participant measures what it is asked for with a share of its own."""
        if isinstance(order, Train):
            return not self._join.auditor
        return self._join.auditor == (order.share is None)

    # What the worker and the person say

    def finished(self, job: Job, outcome: Outcome) -> Actions:
        """The worker has ended a job that it was given with a :class:`Start`."""
        if self.phase is Phase.OVER:
            return []
        if isinstance(outcome, Failed):
            return self._leave(outcome.public, outcome.error)
        actions = self._agenda.finished(job, outcome, send=self.phase is Phase.READY)
        if isinstance(outcome, Built) and job is self._build and self._welcome is not None:
            fields = {"seconds": outcome.seconds, "device": outcome.device}
            actions.append(Note("prepared", fields))
            if outcome.manifest_digest != self._welcome.manifest.digest:
                error = other_manifest(self._coordinator, "")
                return actions + self._leave("its model has other parameters", error)
            self._built = outcome
            if self.phase is Phase.PREPARING:
                actions += self._get_ready()
        return actions

    def leave(self, reason: str) -> Actions:
        """This participant goes, and says so where it is known."""
        return [] if self.phase is Phase.OVER else self._leave(reason, None)

    def _leave(self, reason: str, error: BaseException | None) -> Actions:
        actions: Actions = [Note("left", {"reason": reason})]
        if self._welcome is not None and self.phase is not Phase.CALLING:
            actions.append(Send(Leave(run=self._welcome.run, reason=reason)))
        return actions + self._stop(error)

    def _stop(self, error: BaseException | None) -> Actions:
        self.phase = Phase.OVER
        return [Cancel(), Stop(error)]


def _federation(welcome: Welcome) -> tuple[str, str, str]:
    return welcome.run, welcome.scenario, welcome.manifest.digest


def _ignored(kind: str, reason: str, round_number: int | None = None) -> Note:
    fields = {"type": kind, "reason": reason} | ({} if round_number is None else {"round": round_number})
    return Note("message_ignored", fields, "warning")
