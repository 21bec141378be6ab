"""``study.json``: what an output directory holds, so that nothing of another study is mixed into it."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from coordinator.run_dir import first_difference
from deploy.study.federations import Data
from deploy.study.plan import Plan, Run
from deploy.study.sizes import SizeName
from protocol.errors import UsageProblem
from protocol.files import locked, write_whole
from protocol.scenario import load_scenario

STUDIES = Path("studies")
LOCK = "study.lock"
CHOOSE_ANOTHER = "choose another --output"


def default_output(dataset: str, size: SizeName) -> Path:
    """Where a study is kept if nothing else is said, from the working directory."""
    return STUDIES / (f"{dataset}-quick" if size == "quick" else dataset)


class DataRecord(BaseModel):
    """``digest``: of the class names and how many images each has."""

    model_config = ConfigDict(frozen=True)

    name: str
    classes: int
    groups: dict[str, int] | None = None
    digest: str

    @property
    def data(self) -> Data:
        return Data(self.name, self.classes, self.groups)


class Ledger(BaseModel):
    """``experiments`` and ``seeds``: all that were ever asked for. ``failures``: why a run failed, by id."""

    model_config = ConfigDict(frozen=True)

    version: str
    data: DataRecord
    size: SizeName
    experiments: tuple[str, ...]
    seeds: tuple[int, ...]
    failures: dict[str, str] = {}


class StudyDirectory:
    """``OUTPUT``: the ledger, ``runs/ID`` for each run, a folder for each experiment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / "study.json"

    def run_dir(self, run_id: str) -> Path:
        return self.path / "runs" / run_id

    def locked(self) -> AbstractContextManager[None]:
        """Raises :class:`UsageProblem` when another study is running here, or it cannot be written to."""
        taken = "another `fedmeta reproduce` is at work here; await it, or choose another --output"
        return locked(self.path, LOCK, what="output directory", taken=taken)

    def check_free(self) -> None:
        """Raises :class:`UsageProblem` where something is that is no study."""
        try:
            there = {entry.name for entry in self.path.iterdir()}
        except OSError:  # nothing is there, or reading the ledger will say what is wrong
            return
        # The last two: of a study that never began.
        if there - {LOCK, f".{self.ledger.name}.tmp"} and self.ledger.name not in there:
            raise UsageProblem(
                f"{self.path}: is not empty and holds no study (no study.json in it); choose another --output"
            )

    def read(self) -> Ledger | None:
        """None where there is no study yet. Raises :class:`UsageProblem` for something else in its place."""
        try:
            return Ledger.model_validate_json(self.ledger.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as error:
            raise UsageProblem(
                f"{self.ledger}: cannot be read: {_why(error)}; choose another --output"
            ) from error

    def write(self, ledger: Ledger) -> None:
        write_whole(self.ledger, (ledger.model_dump_json(indent=2) + "\n").encode())

    def check_runs(self, plan: Plan, way_out: str = CHOOSE_ANOTHER) -> None:
        """Raises :class:`UsageProblem` where a run of this name is here that had another scenario."""
        for run in plan.runs:
            self._check_run(run, way_out)

    def _check_run(self, run: Run, way_out: str) -> None:
        path = self.run_dir(run.id) / "scenario.toml"
        if not path.is_file():
            return
        try:
            there = load_scenario(path)
        except UsageProblem as error:
            raise UsageProblem(f"{error}; {way_out}, or delete {path.parent}") from error
        key = first_difference(there, run.scenario)
        if key is not None:
            raise UsageProblem(
                f"{path.parent}: was run with another {key}; {way_out}, or delete that directory"
            )


def joined(there: Ledger | None, wanted: Ledger, output: Path, way_out: str = CHOOSE_ANOTHER) -> Ledger:
    """The ledger of what is there and what is wanted now. Raises :class:`UsageProblem` where they do not
    belong together: another version, data set or size."""
    if there is None:
        return wanted
    for what, before, now in (
        ("fedmeta's version", there.version, wanted.version),
        ("the data set", _described(there.data), _described(wanted.data)),
        ("the size", there.size, wanted.size),
    ):
        if before != now:
            raise UsageProblem(f"{output}: holds a study of {before} ({what}), and this is {now}; {way_out}")
    return wanted.model_copy(
        update={
            "experiments": tuple(sorted({*there.experiments, *wanted.experiments})),
            "seeds": tuple(sorted({*there.seeds, *wanted.seeds})),
            "failures": there.failures,
        }
    )


def _why(error: ValidationError | OSError) -> str:
    """What is wrong with a ledger, by its first problem."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg']}" if key else first["msg"]


def _described(data: DataRecord) -> str:
    return f"{data.name} with {data.classes} classes (digest {data.digest[:12]})"


def digest_of(images: Mapping[str, int]) -> str:
    """Of class names with the number of images of each."""
    return hashlib.sha256(json.dumps(sorted(images.items())).encode()).hexdigest()
