"""A plan: which federations a study runs, and what they are called in each experiment. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.study.experiments import EXPERIMENTS, Experiment
from deploy.study.federations import Branch, Data, branch_scenario, pretraining_scenario
from deploy.study.sizes import Size
from protocol.errors import UsageProblem
from protocol.scenario import Scenario

ALL = "all"


@dataclass(frozen=True)
class Run:
    """One federation, in the directory ``id``; ``start``: the run whose last model it goes on from."""

    id: str
    scenario: Scenario
    start: str | None = None


@dataclass(frozen=True)
class Arm:
    """A run as an experiment sees it; ``name`` is the same for all seeds."""

    experiment: str
    name: str
    seed: int
    run: str
    factors: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """``runs``: each once, after the run that it starts from."""

    experiments: tuple[str, ...]
    runs: tuple[Run, ...]
    arms: tuple[Arm, ...]

    @property
    def starts(self) -> frozenset[str]:
        """The ids of the pre-trainings: what other runs start from."""
        return frozenset(run.start for run in self.runs if run.start)

    def run(self, run_id: str) -> Run:
        return next(run for run in self.runs if run.id == run_id)

    def arms_of(self, experiment: str) -> tuple[Arm, ...]:
        """Its own, and those of the experiments that it analyses as well."""
        names = (experiment, *EXPERIMENTS[experiment].uses)
        return tuple(arm for arm in self.arms if arm.experiment in names)


class UnknownExperiment(UsageProblem):
    """Who asks for it wants the list of those there are."""


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The experiments of these names, in their own order; ``all`` is each. Raises
    :class:`UnknownExperiment`, and :class:`UsageProblem` for ``all`` together with names."""
    if not names:
        raise UnknownExperiment("name an experiment: E1 to E7, or all")
    if len({name.lower() for name in names}) > 1 and ALL in (name.lower() for name in names):
        raise UsageProblem(f"{' '.join(names)}: all is every experiment; name either all, or experiments")
    known = {name.lower(): name for name in EXPERIMENTS}
    wanted: set[str] = set()
    for name in names:
        if name.lower() == ALL:
            wanted.update(EXPERIMENTS)
        elif name.lower() in known:
            wanted.add(known[name.lower()])
        else:
            raise UnknownExperiment(f"no experiment is named {name!r}; name E1 to E7, or all")
    return tuple(name for name in EXPERIMENTS if name in wanted)


def make_plan(names: Sequence[str], data: Data, size: Size, seeds: Sequence[int]) -> Plan:
    """The plan of experiments that exist, for a data set that has classes enough."""
    needed = [EXPERIMENTS[name] for name in EXPERIMENTS if name in names or _is_used(name, names)]
    runs: dict[str, Run] = {}
    arms = []
    for seed in seeds:
        for experiment in needed:
            for branch in experiment.branches(size):
                _add(runs, branch, data, size, seed)
                arms.append(_arm(experiment, branch, seed))
    return Plan(tuple(names), tuple(runs.values()), tuple(arms))


def _is_used(name: str, names: Sequence[str]) -> bool:
    return any(name in EXPERIMENTS[other].uses for other in names)


def _add(runs: dict[str, Run], branch: Branch, data: Data, size: Size, seed: int) -> None:
    start = f"pretrain-{branch.pretraining.name}-s{seed}"
    if start not in runs:
        runs[start] = Run(start, pretraining_scenario(branch.pretraining, data, size, seed))
    run = Run(f"{branch.name}-s{seed}", branch_scenario(branch, data, size, seed), start)
    assert runs.setdefault(run.id, run) == run, f"two different runs are named {run.id}"


def _arm(experiment: Experiment, branch: Branch, seed: int) -> Arm:
    return Arm(experiment.name, branch.name, seed, f"{branch.name}-s{seed}", dict(branch.factors))
