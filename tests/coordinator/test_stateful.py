"""Whatever participants do and in whatever order: what a federation never does, and that it ends."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coordinator.aggregation import UpdateSum
from coordinator.journal import Evaluated, RoundCompleted, RoundStarted, UpdateAccepted
from coordinator.rounds import Phase
from protocol.scenario import Evaluation
from tests.coordinator import tiny
from tests.coordinator.bench import Bench

NAMES = ["ann", "bob", "cid", "dee", "eve"]
MIN_UPDATES = 2
SCENARIO = tiny.scenario(
    rounds=12, participants=3, selected=3, min_updates=MIN_UPDATES, attempts=2, checkpoint_every=1
)


class AnyFederation(RuleBasedStateMachine):
    scenario = SCENARIO

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.scenario)

    def there(self) -> list[str]:
        return [member.name for member in self.bench.federation.membership.ready_trainers()]

    @initialize()
    def the_first_round_begins(self) -> None:
        self.bench.ready(*NAMES[:3])

    @rule(name=st.sampled_from(NAMES))
    def becomes_ready(self, name: str) -> None:
        self.bench.ready(name)

    @rule(name=st.sampled_from(NAMES))
    def is_killed(self, name: str) -> None:
        self.bench.lose(name)

    @rule(name=st.sampled_from(NAMES))
    def leaves(self, name: str) -> None:
        self.bench.leave(name)

    @rule(name=st.sampled_from(NAMES), off=st.sampled_from([0, 0, 0, 0, -2, -1, 1]))
    def sends_an_update(self, name: str, off: int) -> None:
        self.bench.update(name, max(0, self.bench.federation.rounds.current + off))

    @precondition(lambda self: self.bench.selected & set(self.there()))
    @rule(which=st.integers(0, 2), again=st.booleans())
    def one_that_was_asked_answers(self, which: int, again: bool) -> None:
        names = sorted(self.bench.selected & set(self.there()))
        name, number = names[which % len(names)], self.bench.federation.rounds.current
        self.bench.update(name, number)
        if again:
            self.bench.update(name, number)

    @precondition(lambda self: self.there())
    @rule()
    def all_that_were_asked_answer(self) -> None:
        for name in sorted(self.bench.selected & set(self.there())):
            self.bench.update(name)

    @rule(slow=st.booleans(), bad=st.sets(st.sampled_from(NAMES), max_size=2))
    def counting_takes_its_time_or_not(self, slow: bool, bad: set[str]) -> None:
        """What has arrived is counted now."""
        self.bench.slow_counting = slow
        self.bench.bad = bad
        self.bench.count()

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.bench.after(seconds)

    @precondition(lambda self: self.there() and not self.bench.finished)
    @rule()
    def the_coordinator_is_killed(self) -> None:
        """It goes on from its newest checkpoint; all connections are new."""
        before = self.bench
        state = before.written[-1]
        self.bench = Bench(self.scenario, state, split=tiny.SPLIT if before.splits else None)
        self.bench.slow_counting, self.bench.bad = before.slow_counting, before.bad
        self.bench.model = before.model  # each round is checkpointed here
        self.bench._connections = {name: before._connections.get(name, 0) + 1 for name in NAMES}
        self.bench.events = [*before.events, *self.bench.events]
        self.bench.written = [*before.written, *self.bench.written]
        self.bench.splits = before.splits

    @invariant()
    def never_fewer_updates_than_needed(self) -> None:
        assert all(event.received >= MIN_UPDATES for event in self.bench.all(RoundCompleted))

    @invariant()
    def rounds_complete_in_order_each_once(self) -> None:
        numbers = [event.round for event in self.bench.all(RoundCompleted)]
        assert numbers == list(range(1, len(numbers) + 1))

    @invariant()
    def the_model_depends_only_on_whose_updates_are_in_it(self) -> None:
        """Made anew from the journal: no participant twice, none that was not accepted, in any order."""
        model = tiny.initial_parameters(self.scenario)
        counted: set[str] = set()
        for event in self.bench.events:
            match event:
                case RoundStarted():
                    counted = set()
                case UpdateAccepted(participant=name):
                    assert name not in counted
                    counted.add(name)
                case RoundCompleted(round=number, model_digest=digest, server_rate=rate, received=received):
                    assert received == len(counted)
                    total = UpdateSum(tiny.MANIFEST)
                    for name in sorted(counted):
                        total.add(tiny.update(name, number))
                    model = total.step(model, rate)
                    assert model.digest() == digest

    @invariant()
    def an_order_goes_only_to_those_who_are_selected(self) -> None:
        attempt = self.bench.federation.rounds.attempt
        if attempt is not None:
            assert attempt.received | attempt.counting <= attempt.selected
            assert set(attempt.asked) & set(self.there()) >= set(attempt.missing) & set(self.there())

    def everybody_answers(self) -> None:
        for name in sorted(self.bench.selected):
            self.bench.update(name)

    def teardown(self) -> None:
        """As long as updates keep coming, the run ends."""
        self.counting_takes_its_time_or_not(slow=False, bad=set())
        self.bench.ready(*NAMES)
        for _ in range(80):
            self.everybody_answers()
            self.bench.after(20.0)
            if self.bench.finished:
                break
        assert self.bench.finished
        self.the_model_depends_only_on_whose_updates_are_in_it()


class AnySurveyedFederation(AnyFederation):
    """The same where those who train measure every second model, before the next round begins."""

    scenario = SCENARIO.model_copy(
        update={"evaluation": Evaluation(by="participants", rounds=(0,), every=2, deadline_s=100.0)}
    )

    @rule(name=st.sampled_from(NAMES), off=st.sampled_from([0, 0, 0, 0, -1, 1]))
    def measures(self, name: str, off: int) -> None:
        number = max(0, self.bench.federation.rounds.completed + off)
        self.bench.measured(name, number, (tiny.MEASUREMENT,))

    @rule()
    def all_that_are_there_measure(self) -> None:
        for name in self.there():
            self.bench.measured(name, self.bench.federation.rounds.completed, (tiny.MEASUREMENT,))

    @invariant()
    def nobody_trains_while_a_model_is_measured(self) -> None:
        rounds = self.bench.federation.rounds
        if self.bench.federation.measuring.outstanding:
            assert rounds.phase in (Phase.GATHERING, Phase.BETWEEN)
            assert rounds.attempt is None

    @invariant()
    def nobody_measures_a_model_twice(self) -> None:
        """Every report is stored, so not after a restart either."""
        measured = [(event.round, event.auditor) for event in self.bench.all(Evaluated)]
        assert len(set(measured)) == len(measured)

    @invariant()
    def only_what_is_due_is_measured(self) -> None:
        assert all(self.scenario.evaluation.due(event.round, 12) for event in self.bench.all(Evaluated))

    def everybody_answers(self) -> None:
        self.all_that_are_there_measure()
        super().everybody_answers()


for machine in (AnyFederation, AnySurveyedFederation):
    machine.TestCase.settings = settings(max_examples=100, stateful_step_count=30)
TestAnyFederation = AnyFederation.TestCase
TestAnySurveyedFederation = AnySurveyedFederation.TestCase
