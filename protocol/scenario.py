"""A scenario: one TOML file that says everything about a federation.

Validated at the edge, frozen afterwards. An unknown key, a wrong type or an impossible combination is a
:class:`~protocol.errors.UsageProblem` that names the file, the key and what would be right.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from protocol.errors import UsageProblem
from protocol.explain import explain

Count = Annotated[int, Field(ge=1, lt=2**20)]
Rounds = Annotated[int, Field(ge=0, lt=2**31)]
MOST_SCHEDULED = 2**14
"""Rounds of an attack: each of them stands in the scenario that a participant is sent at joining."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ServerRate(Section):
    """η_t of the server's step θ ← θ + η_t · mean(δ): linear from ``initial`` to ``final`` over the first
    ``decay_rounds`` rounds, then ``after``."""

    initial: float = Field(default=1.0, gt=0, le=1)
    final: float = Field(default=0.0, ge=0, le=1)
    decay_rounds: Rounds = 1000
    after: float = Field(default=0.3, gt=0, le=1)

    def at(self, round_number: int) -> float:
        """η of a round, counted from 1."""
        if round_number > self.decay_rounds:
            return self.after
        done = (round_number - 1) / self.decay_rounds
        return self.initial + (self.final - self.initial) * done


class Federation(Section):
    """``participants`` join before the first round; ``selected`` (M_r) train in a round; ``min_updates``
    (M_min) are needed once the deadline has passed.

    ``norm_bound``: the largest L2 norm of an update, for the aggregation rule ``norm-bound``; ``"median"``
    is that of the round's norms. ``encoding``: how updates travel to the coordinator.
    """

    seed: int = Field(default=0, ge=0, lt=2**53)
    rounds: int = Field(default=1051, ge=1, lt=2**31)
    participants: Count = 4
    selected: Count = 4
    min_updates: Count = 4
    round_deadline_s: float = Field(default=120.0, gt=0)
    attempts: Count = 3
    checkpoint_every: Count = 25
    heartbeat_s: float = Field(default=1.0, gt=0, le=60)
    liveness_s: float = Field(default=10.0, gt=0, le=600)
    aggregation: Name = "mean"
    norm_bound: Literal["median"] | Annotated[float, Field(gt=0)] = "median"
    encoding: Name = "float32"
    server_rate: ServerRate = ServerRate()

    @model_validator(mode="after")
    def _counts_fit(self) -> Self:
        if not self.min_updates <= self.selected <= self.participants:
            raise ValueError(
                "min_updates <= selected <= participants must hold, but they are "
                f"{self.min_updates}, {self.selected}, {self.participants}"
            )
        if self.norm_bound != "median" and self.aggregation == "mean":
            raise ValueError('norm_bound does nothing with aggregation "mean"; set that to "norm-bound"')
        if self.liveness_s < 2 * self.heartbeat_s:
            raise ValueError(f"liveness_s must be at least twice heartbeat_s ({self.heartbeat_s})")
        return self


class SplitSizes(Section):
    """How many classes are set aside; all others are for training."""

    test: Count = 36
    validation: Count = 8
    backdoor: Count = 4
    target: Count = 1


class Task(Section):
    """The few-shot task: K-way, N-shot for each N of ``shots``, with ``query`` images a class."""

    dataset: Name = "strokes"
    classes: Count = 200
    image_size: int = Field(default=28, ge=16, le=512)
    channels: Literal[1, 3] = 1
    way: int = Field(default=5, ge=2, le=64)
    shots: tuple[Count, ...] = Field(default=(5,), min_length=1)
    query: Count = 5
    split: SplitSizes = SplitSizes()

    @field_validator("shots", mode="before")
    @classmethod
    def _list_from_toml(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Model(Section):
    """``shared``: ``"all"``, ``"features"`` (no head), or a number d: the first d blocks. With 0 nothing is
    shared and each participant trains alone, the control of every defence."""

    name: Name = "conv4"
    shared: Literal["all", "features"] | Annotated[int, Field(ge=0)] = "all"


class Learning(Section):
    """Reptile (arXiv 1803.02999): ``inner_steps`` of Adam on mini-batches of an episode,
    ``episodes`` a round."""

    algorithm: Name = "reptile"
    inner_steps: Count = 5
    inner_batch: Count = 10
    inner_rate: float = Field(default=1e-3, gt=0)
    train_shots: Count = 10
    episodes: Count = 1
    rotations: bool = True


class Schedule(Section):
    """Every ``every``-th round from ``first`` to ``last``: how a scenario may write ``attack.rounds``."""

    first: int = Field(ge=1, lt=2**31)
    last: int = Field(ge=1, lt=2**31)
    every: Count = 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first > self.last:
            raise ValueError("first must not be after last")
        if (self.last - self.first) // self.every >= MOST_SCHEDULED:
            raise ValueError(f"more than {MOST_SCHEDULED} rounds")
        return self

    def rounds(self) -> tuple[int, ...]:
        return tuple(range(self.first, self.last + 1, self.every))


class Attack(Section):
    """The attack and when it is made; what participants with the role ``malicious`` read.

    ``rounds``: a list, or ``{first, last, every}``.
    ``participants``: how many `fedmeta run` makes malicious. Together they ``"collude"``, each submitting its
    part of the same backdoor, or ``"split"`` the backdoor classes among them.
    ``boost`` is λ; ``"replace"`` is M_r/η_t, which replaces the model (arXiv 1807.00459, eq. 3)
    when all M_r updates arrive, divided by the number of attackers. ``norm`` bounds the L2 norm of what is
    submitted, boost included: the attacker's own answer to a coordinator that bounds norms. What the encoding
    lost of the update before comes on top.
    ``steps`` are A, the steps of training in an attack round, and ``rate`` is Adam's.
    ``transfer``: where blocks are private, train against those of ``imagined`` other users, drawn anew and
    meta-trained in each attack round, instead of against the attacker's own alone (E7).
    ``target_position`` is the output of the target class, fixed by the federation, or ``"random"``.
    ``benign_hold_backdoor``: benign participants hold backdoor-class images of their own, rightly labelled,
    and one such class is in each of their episodes (E2).
    """

    name: Name = "poisoned_episode"
    rounds: tuple[Annotated[int, Field(ge=1, lt=2**31)], ...] = ()
    participants: Count = 1
    together: Literal["collude", "split"] = "collude"
    boost: Literal["replace"] | Annotated[float, Field(gt=0)] = "replace"
    norm: Literal["unbounded"] | Annotated[float, Field(gt=0)] = "unbounded"
    steps: Count = 300
    rate: float = Field(default=1e-3, gt=0)
    backdoor_classes: Count = 1
    images: Count = 10
    augment: bool = True
    transfer: bool = False
    imagined: Count = 16
    target_position: Literal["random"] | Annotated[int, Field(ge=0)] = 0
    benign_hold_backdoor: bool = False

    @field_validator("rounds", mode="before")
    @classmethod
    def _list_from_toml(cls, value: Any) -> Any:
        if isinstance(value, dict):
            try:
                return Schedule.model_validate(value).rounds()
            except ValidationError as error:
                raise ValueError(
                    "must be a list of rounds, or { first = 10, last = 50, every = 5 } with "
                    f"1 <= first <= last, of at most {MOST_SCHEDULED} rounds"
                ) from error
        return tuple(value) if isinstance(value, list) else value

    @field_validator("rounds")
    @classmethod
    def _in_order(cls, rounds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(rounds))


class Decision(Section):
    """The users' decision logics that the auditor measures."""

    names: tuple[Name, ...] = Field(default=("linear", "fresh-head", "matching"), min_length=1)
    temperature: float = Field(default=10.0, gt=0)

    @field_validator("names", mode="before")
    @classmethod
    def _list_from_toml(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Evaluation(Section):
    """Measured after each of ``rounds``, after every ``every``-th (0: none), and after the last.

    ``by``: auditors, beside the rounds; or, where part of the model is private, the ``"participants"``, each
    with its own, before the next round begins.
    ``adaptation_steps``: one number or several, all measured in one pass over the adaptation.
    ``deadline_s``: how long the end of a run waits for each measurement of an auditor, and for one that has
    gone; and a round for participants that measure.
    """

    every: Rounds = 0
    rounds: tuple[Rounds, ...] = ()
    episodes: Count = 100
    by: Literal["auditor", "participants"] = "auditor"
    adaptation_steps: tuple[Rounds, ...] = Field(default=(50,), min_length=1)
    adaptation_rate: float = Field(default=1e-3, gt=0)
    backdoor_in_support: tuple[bool, ...] = Field(default=(False,), min_length=1)
    transductive: bool = False
    deadline_s: float = Field(default=900.0, gt=0)

    @field_validator("rounds", "backdoor_in_support", mode="before")
    @classmethod
    def _list_from_toml(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("adaptation_steps", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, int) else value

    @field_validator("adaptation_steps")
    @classmethod
    def _ascending(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(steps))

    def due(self, round_number: int, last_round: int) -> bool:
        """Whether the model after this round is to be measured."""
        if round_number in self.rounds or round_number == last_round:
            return True
        return self.every > 0 and round_number % self.every == 0


class Scenario(Section):
    federation: Federation = Federation()
    task: Task = Task()
    model: Model = Model()
    learning: Learning = Learning()
    attack: Attack = Attack()
    decision: Decision = Decision()
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        last = self.federation.rounds
        if any(r > last for r in self.attack.rounds):
            raise ValueError(f"attack.rounds must lie in 1..{last} (federation.rounds)")
        if any(r > last for r in self.evaluation.rounds):
            raise ValueError(f"evaluation.rounds must lie in 0..{last} (federation.rounds)")
        measured = {
            "task.shots": self.task.shots,
            "decision.names": self.decision.names,
            "evaluation.backdoor_in_support": self.evaluation.backdoor_in_support,
            "evaluation.adaptation_steps": self.evaluation.adaptation_steps,
        }
        for key, cases in measured.items():
            if len(set(cases)) < len(cases):
                raise ValueError(f"{key} must not name anything twice: it would be measured twice")
        position = self.attack.target_position
        if isinstance(position, int) and position >= self.task.way:
            raise ValueError(f"attack.target_position must be under task.way ({self.task.way})")
        if self.attack.backdoor_classes > self.task.split.backdoor:
            raise ValueError(
                f"attack.backdoor_classes must be at most task.split.backdoor ({self.task.split.backdoor})"
            )
        if self.attack.participants > self.federation.participants:
            most = self.federation.participants
            raise ValueError(f"attack.participants must be at most federation.participants ({most})")
        if self.task.split.test < self.task.way:
            raise ValueError(f"task.split.test must be at least task.way ({self.task.way})")
        return self


def load_scenario(path: Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a scenario file and apply ``key=value`` overrides (``task.shots=[1, 5]``; values are TOML).

    Raises :class:`UsageProblem` naming the file, the key and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageProblem(f"{path}: cannot read the scenario: {reason}") from error
    return parse_scenario(text, overrides, source=str(path))


def parse_scenario(text: str, overrides: Sequence[str] = (), *, source: str = "scenario") -> Scenario:
    """As :func:`load_scenario`, from the TOML text itself."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"{source}: not TOML: {error}") from error
    for override in overrides:
        _apply(document, override)
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        problem = explain(error, Scenario)
        raise UsageProblem(f"{_origin(problem.key, overrides, source)}: {problem}") from error


def dump_scenario(scenario: Scenario) -> str:
    """The scenario as TOML with all defaults filled in; :func:`parse_scenario` reads it back equal."""
    return tomli_w.dumps(scenario.model_dump(mode="json"))


def _apply(document: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    *sections, leaf = key.strip().split(".")
    if not separator or not leaf or not all(sections):
        raise UsageProblem(f"--set {override}: write SECTION.KEY=VALUE, for instance task.dataset=omniglot")
    table = document
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise UsageProblem(f"--set {override}: {section!r} is a value, not a section")
    table[leaf] = _toml_value(value.strip())


def _origin(key: str, overrides: Sequence[str], source: str) -> str:
    for override in reversed(overrides):
        if override.partition("=")[0].strip() == key:
            return f"--set {override}"
    return f"{source} with --set" if overrides else source


def _toml_value(text: str) -> Any:
    # A bare word is a string, so that a shell user need not quote twice.
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
