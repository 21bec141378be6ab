"""``fedmeta reproduce``: the paper's experiments as real federations, and what they say."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from coordinator.reading.tables import open_console
from deploy.checks import check_scenario
from deploy.study.experiments import EXPERIMENTS
from deploy.study.federation import is_complete
from deploy.study.federations import shortage
from deploy.study.findings import counted, verdict_lines
from deploy.study.ledger import Ledger, StudyDirectory, default_output, joined
from deploy.study.plan import Plan, UnknownExperiment, chosen, make_plan
from deploy.study.runner import Setting, run_plan
from deploy.study.sizes import SIZES
from deploy.study.study import ONE_SEED, Result, Study
from deploy.study.study_data import look_at
from protocol.errors import RunFailed, UsageProblem
from protocol.files import make_usable

RESULTS = "results"
_EXPERIMENTS = "\n".join(f"  {e.name}  {e.title}" for e in EXPERIMENTS.values())


@click.command(
    help=f"""Run an experiment's federations and write what they say: E1 … E7, or all.

\b
{_EXPERIMENTS}

What is complete is not run again; what was interrupted goes on. The reports are in OUTPUT/report.html
and OUTPUT/E1/report.html ….

fedmeta reproduce results STUDY... --write docs/RESULTS.md puts what finished studies found into one page.
""",
)
@click.argument("what", nargs=-1, metavar="EXPERIMENT...")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="FEDMETA_DATA_DIR",
    help="One folder per data set. Default: the user's cache directory.",
)
@click.option("--dataset", default="strokes", show_default=True, help="The data set, as in task.dataset.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    help="How many seeds, from 1; more can be added later. Default: 3, with --quick 1.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where runs and reports are kept. Default: studies/DATASET, with --quick studies/DATASET-quick.",
)
@click.option("--quick", is_flag=True, help="A small version of each, in minutes: for a look, not a result.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, mps, cuda or cuda:N.")
@click.option(
    "--write",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Of `results`: the Markdown file to write; figures go to figures/ beside it.",
)
def reproduce(
    what: tuple[str, ...],
    data_dir: Path | None,
    dataset: str,
    seeds: int | None,
    output: Path | None,
    quick: bool,
    device: str,
    write: Path | None,
) -> None:
    if what[:1] == (RESULTS,):
        _write_results(what[1:], write)
        return
    if write is not None:
        raise UsageProblem("--write is of: fedmeta reproduce results STUDY... --write FILE")
    experiments = _chosen(what)
    size = SIZES["quick" if quick else "published"]
    directory = StudyDirectory(output or default_output(dataset, size.name))
    record = look_at(dataset, data_dir)
    wanted = Ledger(
        version=version("fedmeta"),
        data=record,
        size=size.name,
        experiments=experiments,
        seeds=tuple(range(1, (seeds or size.seeds) + 1)),
    )
    plan = make_plan(experiments, record.data, size, wanted.seeds)
    _check_classes(plan, wanted)
    # Before the directory is made or held: who is refused has left nothing behind.
    _check_directory(directory, plan, wanted)
    _check_runs(plan, directory, data_dir, device)
    with directory.locked():
        # Again: another study may have begun here meanwhile.
        ledger = _check_directory(directory, plan, wanted)
        directory.write(ledger)
        console = open_console()
        failures = run_plan(plan, ledger, Setting(directory, data_dir, device), console)
        page, results = _report(directory, experiments)
    if results and all(result.has_one_seed for result in results):
        say(console, ONE_SEED)
    for result in results:
        for line in verdict_lines(result.findings.verdicts):
            say(console, line)
    console.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
    if failures:
        first, reason = next(iter(failures.items()))
        raise RunFailed(
            f"{len(failures)} of {counted(len(plan.runs))} failed, for instance {first}: {reason}"
        )


def say(console: Console, line: str) -> None:
    """A sentence: in a terminal broken between words and indented as a whole, piped a line."""
    text = line.lstrip()
    whole = Padding(Text(text), (0, 0, 0, len(line) - len(text))) if console.is_terminal else Text(line)
    console.print(whole, soft_wrap=not console.is_terminal)


def _chosen(what: Sequence[str]) -> tuple[str, ...]:
    try:
        return chosen(what)
    except UnknownExperiment:
        click.echo(f"The experiments:\n{_EXPERIMENTS}\n  all each of them", err=True)
        raise


def _check_classes(plan: Plan, ledger: Ledger) -> None:
    most = max(run.scenario.federation.participants for run in plan.runs)
    if reason := shortage(ledger.data.data, most):
        raise UsageProblem(reason)


def _check_directory(directory: StudyDirectory, plan: Plan, wanted: Ledger) -> Ledger:
    """The ledger of what is there and what is wanted. Raises :class:`UsageProblem` where the one does not
    belong to the other."""
    directory.check_free()
    ledger = joined(directory.read(), wanted, directory.path)
    directory.check_runs(plan)
    return ledger


def _check_runs(plan: Plan, directory: StudyDirectory, data_dir: Path | None, device: str) -> None:
    """Each kind of federation that is still to run, by its first seed: what would fail later is said now."""
    seen = set()
    for run in plan.runs:
        kind = run.id.rpartition("-s")[0]
        if kind not in seen and not is_complete(directory.run_dir(run.id)):
            check_scenario(run.scenario, data_dir, device)
        seen.add(kind)


def _report(directory: StudyDirectory, experiments: Sequence[str]) -> tuple[Path, list[Result]]:
    """Write the pages; the overview's path, and what came of these experiments."""
    # matplotlib and jinja2 take a second; a wrong command line does not wait for them.
    from deploy.study.pages import write_experiment, write_overview

    study = Study.open(directory.path)
    there = {name: study.result(name) for name in study.ledger.experiments}
    results = [there[name] for name in experiments]
    for result in results:
        write_experiment(study, result)
    shown = [result for result in there.values() if result.measured.rows or result.missing]
    return write_overview(study, shown), results


def _write_results(studies: Sequence[str], write: Path | None) -> None:
    from deploy.study.results import write_results

    if not studies or write is None:
        raise UsageProblem(
            "results needs studies and a file, as in: "
            "fedmeta reproduce results studies/strokes --write docs/RESULTS.md"
        )
    opened = [Study.open(Path(study)) for study in studies]
    names: dict[str, Path] = {}
    for study in opened:
        study.check()
        path = study.directory.path
        if names.setdefault(study.name, path) is not path:
            raise UsageProblem(f"{names[study.name]}, {path}: both are {study.name}; name one of them")
        make_usable(path, what="study")  # its own pages are written as well
    for folder in (write.parent, write.parent / "measured"):
        make_usable(folder, what="folder to write to")
    write_results(opened, write)
    click.echo(write)
