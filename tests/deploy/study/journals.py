"""Studies whose federations are made up: run directories as the contract describes them, no process."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deploy.plan import cast_roles, default_attackers
from deploy.study.federations import Data
from deploy.study.ledger import DataRecord, Ledger, StudyDirectory
from deploy.study.plan import Plan, Run, make_plan
from deploy.study.sizes import QUICK
from deploy.study.study import Study
from protocol.scenario import Scenario, dump_scenario
from tests.coordinator.reading.example import evaluated, line, round_lines

STROKES = Data("strokes", 400)
RECORD = DataRecord(name="strokes", classes=400, digest="ab" * 32)


@dataclass(frozen=True)
class Asked:
    """What a made-up measurement is of; ``after``: benign rounds since the last attack round, negative
    before the first."""

    run: Run
    after: int
    decision: str
    steps: int
    in_support: bool
    evaluator: str


@dataclass(frozen=True)
class Values:
    main: float
    train: float
    validation: float


Invent = Callable[[Asked], Values]


def plan_of(experiments: Sequence[str], seeds: Sequence[int] = (1, 2, 3)) -> Plan:
    return make_plan(experiments, STROKES, QUICK, seeds)


def write_study(
    folder: Path, experiments: Sequence[str], invent: Invent, seeds: Sequence[int] = (1, 2, 3)
) -> Study:
    """A finished study, by what ``invent`` says was measured."""
    directory = StudyDirectory(folder)
    plan = plan_of(experiments, seeds)
    for run in plan.runs:
        write_run(directory.run_dir(run.id), run, first_of(plan, run), invent)
    ledger = Ledger(
        version=version("fedmeta"),
        data=RECORD,
        size="quick",
        experiments=tuple(experiments),
        seeds=tuple(seeds),
    )
    directory.write(ledger)
    return Study(directory, ledger)


def first_of(plan: Plan, run: Run) -> int:
    return plan.run(run.start).scenario.federation.rounds if run.start else 0


def write_run(run_dir: Path, run: Run, first: int, invent: Invent, *, complete: bool = True) -> None:
    scenario = run.scenario
    by_participants = scenario.evaluation.by == "participants"
    roles = cast_roles(
        scenario.federation.participants, default_attackers(scenario), auditor=not by_participants
    )
    run_dir.mkdir(parents=True)
    (run_dir / "scenario.toml").write_text(dump_scenario(scenario))
    (run_dir / "roles.json").write_text(json.dumps(roles))
    lines = [line("run_started", endpoint="tcp://127.0.0.1:5555", round=first, started_from="somewhere")]
    lines += [
        line("participant_joined", participant=name, auditor=role == "auditor", software="x")
        for name, role in roles.items()
    ]
    lines += round_lines(first + 1)
    if complete:
        lines += _evaluations(run, first, invent, tuple(roles) if by_participants else ("auditor",))
        lines.append(line("run_completed", rounds=scenario.federation.rounds))
        checkpoints = run_dir / "checkpoints"
        checkpoints.mkdir()
        (checkpoints / f"round-{scenario.federation.rounds:06}.json").touch()
    (run_dir / "journal.jsonl").write_text("".join(f"{entry}\n" for entry in lines))


def _evaluations(run: Run, first: int, invent: Invent, evaluators: Sequence[str]) -> list[str]:
    scenario = run.scenario
    attacks = scenario.attack.rounds or (first + 1,)
    last = scenario.federation.rounds
    return [
        _evaluated(number, asked, invent)
        for number in range(first, last + 1)
        if scenario.evaluation.due(number, last)
        for decision in scenario.decision.names
        for steps in ((0,) if decision == "matching" else scenario.evaluation.adaptation_steps)
        for held in scenario.evaluation.backdoor_in_support
        for evaluator in evaluators
        for asked in [Asked(run, number - attacks[-1], decision, steps, held, evaluator)]
    ]


def _evaluated(number: int, asked: Asked, invent: Invent) -> str:
    scenario, values = asked.run.scenario, invent(asked)
    first = scenario.decision.names[0]
    against = invent(replace(asked, decision=first))

    def interval(mean: float) -> dict[str, Any]:
        return {"mean": mean, "ci95": 0.02, "episodes": scenario.evaluation.episodes}

    difference = {
        "against": first,
        "main_accuracy": interval(values.main - against.main),
        "attack_train": interval(values.train - against.train),
        "attack_validation": interval(values.validation - against.validation),
    }

    return evaluated(
        number,
        asked.decision,
        auditor=asked.evaluator,
        adaptation_steps=asked.steps,
        backdoor_in_support=asked.in_support,
        main_accuracy=interval(values.main),
        backdoor_accuracy={
            "attack_train": interval(values.train),
            "attack_validation": interval(values.validation),
        },
        difference=None if asked.decision == first else difference,
    )


def as_the_paper_says(asked: Asked) -> Values:
    """The backdoor takes the linear head over and lasts; who matches is not touched, unless the attacker
    knows it and no aggregation rule is in the way. Seeds differ by a hundredth."""
    scenario, jitter = asked.run.scenario, scenario_jitter(asked.run.scenario)
    adaptive = scenario.attack.name == "feature_collision"
    guarded = scenario.federation.aggregation != "mean"
    private = scenario.model.shared not in ("all", "features")
    reached = asked.decision == "linear" or (adaptive and not guarded and not private)
    attacked = asked.after >= 0 and bool(scenario.attack.rounds) and reached
    backdoor = (0.4 if asked.in_support else 0.9) if attacked else 0.15
    depth = {"all": 4, "features": 4}.get(str(scenario.model.shared), scenario.model.shared)
    assert isinstance(depth, int)
    return Values(0.80 + 0.03 * depth + jitter, backdoor + jitter, backdoor / 2 + jitter)


def scenario_jitter(scenario: Scenario) -> float:
    return 0.01 * (scenario.federation.seed - 2)
