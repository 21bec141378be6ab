"""What a run will cost, predicted from its scenario: seconds on a machine with 2 cores, to weigh progress and
to guess how long a run or a study takes before anything was measured. Pure."""

from dataclasses import dataclass

from protocol.scenario import Evaluation, Scenario

PROCESS_S = 0.5  # starting one of a run's processes and reading its data
STEP_S = 0.0040  # one adaptation step on one core
FORWARD_S = 0.007  # classifying one episode without adaptation
TRAIN_STEP_S = 0.003  # one inner step of meta-training, its share of a round's overhead within
ATTACK_STEP_S = 0.012  # one step of an attacker
IMAGINED_S = 0.7  # meta-training the private part of one user that an attacker imagines
CORES = 2
CASES_BESIDE = 1  # main-task episodes, beside the backdoor cases


@dataclass(frozen=True)
class Cost:
    """Seconds to start it, of a round, an attack on top of it, an evaluated round; and how many of each."""

    start: float
    round: float
    rounds: int
    attack: float
    attacks: int
    evaluation: float
    evaluations: int

    @property
    def total(self) -> float:
        return (
            self.start
            + self.round * self.rounds
            + self.attack * self.attacks
            + self.evaluation * self.evaluations
        )

    def done(self, rounds: int, attacks: int, evaluations: int) -> float:
        """The part that is behind once so many rounds, attacks and evaluated rounds are complete."""
        started = self.start if rounds or evaluations else 0.0
        return started + self.round * rounds + self.attack * attacks + self.evaluation * evaluations


def cost_of(scenario: Scenario, first_round: int) -> Cost:
    """``first_round``: the one that it starts from, 0 for a new federation."""
    federation, learning, evaluation = scenario.federation, scenario.learning, scenario.evaluation
    last = federation.rounds
    measuring = federation.participants if evaluation.by == "participants" else 1
    cases = CASES_BESIDE + len(evaluation.backdoor_in_support)
    each = sum(_episode_s(name, evaluation.adaptation_steps[-1]) for name in scenario.decision.names)
    return Cost(
        start=PROCESS_S * (federation.participants + 1),
        round=federation.selected * learning.episodes * learning.inner_steps * TRAIN_STEP_S * 2 / CORES,
        rounds=last - first_round,
        attack=_attack_s(scenario),
        attacks=len([number for number in scenario.attack.rounds if number > first_round]),
        evaluation=measuring * cases * len(scenario.task.shots) * evaluation.episodes * each / CORES,
        evaluations=due_rounds(evaluation, first_round, last, last),
    )


def due_rounds(evaluation: Evaluation, first: int, reached: int, last: int) -> int:
    """How many models are to be measured of those from round ``first`` to ``reached``; a run has more rounds
    than there is time to look at each."""
    every = evaluation.every
    listed = {number for number in (*evaluation.rounds, last) if not every or number % every}
    regular = reached // every - (first - 1) // every if every else 0
    return regular + sum(first <= number <= reached for number in listed)


def _attack_s(scenario: Scenario) -> float:
    """One attack round; attackers beyond the cores wait for each other."""
    attack, shared = scenario.attack, scenario.model.shared
    users = attack.imagined if attack.transfer and shared not in ("all", "features") else 0
    return (attack.steps * ATTACK_STEP_S + users * IMAGINED_S) * max(1.0, attack.participants / CORES)


def _episode_s(decision: str, steps: int) -> float:
    """One episode; those decisions that do not adapt look at it once."""
    return FORWARD_S + (0.0 if decision == "matching" else steps * STEP_S)


PRIOR = 0.1  # of a plan's predicted cost: once so much is measured, it counts as much as the prediction does


@dataclass
class Estimator:
    """Corrects predictions by what was measured, by how much that is: a first short run says little.

    ``prior``: predicted seconds that count as measured to have taken as long."""

    prior: float
    predicted: float = 0.0
    measured: float = 0.0

    def finished(self, predicted: float, measured: float) -> None:
        self.predicted += predicted
        self.measured += measured

    def left(self, predicted: float, running: tuple[float, float] = (0.0, 0.0)) -> float:
        """Seconds for what is predicted to take so long; ``running``: predicted and measured seconds of a
        run that is not over."""
        weight = self.prior + self.predicted + running[0]
        return predicted * ((self.prior + self.measured + running[1]) / weight if weight > 0 else 1.0)
