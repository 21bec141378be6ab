"""All that was measured, as docs/measured/benchmarks.json holds it: the page is made from this alone."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchmarks.aggregation import Costs
from benchmarks.encodings import Row
from benchmarks.machine import Conditions
from benchmarks.spread import Comparison
from benchmarks.starting import Starting
from benchmarks.wire.measured import Case
from benchmarks.wire.ours import Watched
from benchmarks.wire.sides import Side
from protocol.errors import UsageProblem
from protocol.files import write_whole


@dataclass(frozen=True)
class Encoded:
    """Runs in each encoding. ``settings``: what was changed of their scenario."""

    settings: tuple[str, ...]
    rows: list[Row]


@dataclass
class Results:
    """``quick``: a look, with few repetitions. ``conditions``: by part of what was measured; a part that is
    not there has not been. ``rounds``: of a federation, one process is the reference; ``peers``: other
    people's. ``evaluation``: the plain loop is the reference, on one core and then on all of them.
    ``failures``: what could not be measured, and why, by part."""

    quick: bool = False
    conditions: dict[str, Conditions] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
    sides: list[Side] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    starting: Starting | None = None
    rounds: Comparison | None = None
    peers: list[Comparison] = field(default_factory=list)
    inner_loop: list[Comparison] = field(default_factory=list)
    evaluation: list[Comparison] = field(default_factory=list)
    aggregation: list[Costs] = field(default_factory=list)
    encodings: Encoded | None = None

    @property
    def pauses(self) -> dict[Case, list[Watched]]:
        """What was watched, by case, each several times."""
        found: dict[Case, list[Watched]] = {}
        for one in self.watched:
            found.setdefault(one.case, []).append(one)
        return found


_RESULTS = TypeAdapter(Results)


def read(path: Path) -> Results:
    """Raises :class:`UsageProblem` that names the file."""
    try:
        return _RESULTS.validate_json(path.read_bytes())
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}; measure first: make bench") from error
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UsageProblem(f"{path}: {where}: {problem['msg']}; measure anew: make bench") from error


def write(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _RESULTS.dump_json(results, indent=1) + b"\n")
