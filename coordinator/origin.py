"""A run that begins with the model of another one: which checkpoint that is, and whether it fits."""

import secrets
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from coordinator.checkpoints import Checkpoint, CheckpointProblem, CheckpointStore
from coordinator.run_dir import RunDirectory
from coordinator.state import FederationState, Unmeasured
from protocol.errors import RunFailed, UsageProblem
from protocol.manifest import Manifest
from protocol.scenario import Scenario, load_scenario
from protocol.split import ClassSplit

# What decides which classes a participant has, and what its private parameters are.
SAME = (
    "federation.seed", "federation.participants",
    "task.dataset", "task.classes", "task.image_size", "task.channels", "task.way",
    "task.split.test", "task.split.validation", "task.split.backdoor", "task.split.target",
    "model.name", "model.shared",
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """``given``: as a person named it. ``run_dir``: of the run that it is from, None where the checkpoint is
    no longer in one. ``scenario``, ``split``: that run's, where they are beside it."""

    given: str
    checkpoint: Checkpoint
    run_dir: Path | None
    scenario: Scenario | None
    split: ClassSplit | None

    @property
    def path(self) -> Path:
        """The checkpoint's own file, which names it for good, also where a link led to it."""
        return self.checkpoint.path

    def check(self, scenario: Scenario, manifest: Manifest) -> None:
        """Whether a run of ``scenario``, which shares the parameters of ``manifest``, can begin with it.

        Raises :class:`UsageProblem` that says what is another there, or that its rounds are over.
        """
        for key in SAME if self.scenario is not None else ():
            there, here = attrgetter(key)(self.scenario), attrgetter(key)(scenario)
            if there != here:
                raise UsageProblem(
                    f"--from {self.given}: that run had {key} = {there!r}, and this scenario has {here!r}; "
                    "they must agree, so that participants keep their classes and their private parameters"
                )
        if self.checkpoint.model.manifest != manifest:
            raise UsageProblem(
                f"--from {self.given}: its model has other shared parameters than this scenario's; "
                "model.name, model.shared and task.way must be those that it was trained with"
            )
        number, rounds = self.checkpoint.state.round, scenario.federation.rounds
        if number > rounds:
            raise UsageProblem(
                f"--from {self.given}: this is the model after round {number}, and federation.rounds is "
                f"{rounds}; rounds go on counting from there, so it must be at least {number}"
            )

    def first_state(self, scenario: Scenario) -> FederationState:
        """Of the new run: the same participants with the same shares and private states."""
        state = self.checkpoint.state
        due = scenario.evaluation.due(state.round, scenario.federation.rounds)
        return FederationState(
            run=secrets.token_hex(8),
            round=state.round,
            roster=state.roster,
            shares=state.shares,
            previous=state.previous,
            keep_from=state.previous,
            evaluations=(Unmeasured(round=state.round),) if due else (),
        )


def open_origin(given: str) -> Origin:
    """``given``: a checkpoint's file, a run directory (its newest checkpoint), or RUN_DIR:ROUND.

    Raises :class:`UsageProblem` when it is not there, or damaged.
    """
    path, number = _parse(given)
    if path.is_dir():
        folder = RunDirectory(path).checkpoints
        number = _choose(given, CheckpointStore(folder, lambda _: True).rounds(), number)
    elif path.is_file():
        folder, number = path.parent, _number_of(given, path)
    else:
        raise UsageProblem(f"--from {given}: not there; name a run directory, RUN_DIR:ROUND or a checkpoint")
    try:
        checkpoint = CheckpointStore(folder.resolve(), lambda _: True).load(number)
    except CheckpointProblem as problem:
        raise UsageProblem(
            f"--from {given}: cannot be used: {problem}; choose another checkpoint"
        ) from problem
    run_dir = folder.parent if folder.name == "checkpoints" else None
    return Origin(given, checkpoint, run_dir, _scenario_of(run_dir), _split_of(given, run_dir))


def _parse(given: str) -> tuple[Path, int | None]:
    head, colon, tail = given.rpartition(":")
    if colon and tail.isdecimal() and not Path(given).exists():
        return Path(head), int(tail)
    return Path(given), None


def _choose(given: str, there: list[int], wanted: int | None) -> int:
    if not there:
        raise UsageProblem(f"--from {given}: no run with a checkpoint is there")
    if wanted is None:
        return there[-1]
    if wanted not in there:
        raise UsageProblem(
            f"--from {given}: no checkpoint of that round is kept; there are those of rounds "
            f"{', '.join(map(str, there))}"
        )
    return wanted


def _number_of(given: str, path: Path) -> int:
    number = path.stem.removeprefix("round-")
    if path.suffix not in (".safetensors", ".json") or not number.isdecimal():
        raise UsageProblem(f"--from {given}: not a checkpoint; they are called round-NNNNNN.safetensors")
    return int(number)


def _scenario_of(run_dir: Path | None) -> Scenario | None:
    if run_dir is None or not RunDirectory(run_dir).scenario.exists():
        return None
    return load_scenario(RunDirectory(run_dir).scenario)


def _split_of(given: str, run_dir: Path | None) -> ClassSplit | None:
    if run_dir is None:
        return None
    directory = RunDirectory(run_dir)
    try:
        return directory.load_split()
    except RunFailed as error:
        raise UsageProblem(
            f"--from {given}: {directory.split} is not a class split; choose another run"
        ) from error
