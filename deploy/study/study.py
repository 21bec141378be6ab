"""A study on disk: its ledger, the plan that follows from it, what was measured and what that says."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from deploy.study.analyses import analyse
from deploy.study.federation import is_complete
from deploy.study.findings import Findings
from deploy.study.ledger import Ledger, StudyDirectory, default_output, joined
from deploy.study.measurements import Measurements, read_measurements
from deploy.study.plan import Plan, make_plan
from deploy.study.sizes import SIZES, Size
from deploy.study.sources import codes_of
from protocol.errors import UsageProblem

NOT_RUN = "it was not run to its end"
ONE_SEED = (
    "One seed: no verdicts. It takes two seeds or more to tell how much a number varies, so every claim is "
    "inconclusive here, whatever its numbers."
)


@dataclass(frozen=True)
class Result:
    """One experiment: ``missing``: why runs of it are not there, by id; ``codes``: digests of the code that
    made those that are, their pre-training among them, by id."""

    experiment: str
    measured: Measurements
    findings: Findings
    missing: dict[str, str]
    codes: dict[str, tuple[str, ...]]

    @property
    def has_one_seed(self) -> bool:
        return len({row.arm.seed for row in self.measured.rows}) == 1


@dataclass(frozen=True)
class Study:
    directory: StudyDirectory
    ledger: Ledger

    @classmethod
    def open(cls, path: Path) -> "Study":
        """Raises :class:`UsageProblem` where there is none."""
        directory = StudyDirectory(path)
        ledger = directory.read()
        if ledger is None:
            raise UsageProblem(
                f"{path}: holds no study (no study.json in it); make one with: fedmeta reproduce all "
                f"--output {path}"
            )
        return cls(directory, ledger)

    @property
    def name(self) -> str:
        """Of the data, and of the small version its own: what one page of several studies tells them by."""
        return default_output(self.ledger.data.name, self.ledger.size).name

    def check(self) -> None:
        """Raises :class:`UsageProblem` where it is of another version, or a run of it had another scenario
        than the study says."""
        path, way_out = self.directory.path, "leave this study out"
        joined(self.ledger, self.ledger.model_copy(update={"version": version("fedmeta")}), path, way_out)
        self.directory.check_runs(self.plan(self.ledger.experiments), way_out)

    @property
    def size(self) -> Size:
        return SIZES[self.ledger.size]

    def plan(self, experiments: Sequence[str]) -> Plan:
        """Of these experiments, with every seed of the study."""
        return make_plan(experiments, self.ledger.data.data, self.size, self.ledger.seeds)

    def result(self, experiment: str) -> Result:
        """From the journals of what is complete."""
        plan = self.plan([experiment])
        measured = read_measurements(plan, experiment, self.directory.run_dir)
        there = {row.arm.run for row in measured.rows}
        arms = plan.arms_of(experiment)
        missing = {
            arm.run: self.ledger.failures.get(arm.run, NOT_RUN) for arm in arms if arm.run not in there
        }
        used = [run for run in plan.runs if run.id in there or any(one.start == run.id for one in plan.runs)]
        # What they start from, too: its failure is the reason.
        starts = {run.start for run in plan.runs if run.id in missing and run.start}
        missing = {
            start: self.ledger.failures.get(start, NOT_RUN)
            for start in sorted(starts)
            if not is_complete(self.directory.run_dir(start))
        } | missing
        codes = {
            run.id: codes_of(folder) for run in used if (folder := self.directory.run_dir(run.id)).is_dir()
        }
        return Result(experiment, measured, analyse(experiment, measured, self.size), missing, codes)
