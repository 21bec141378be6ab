"""Pages and files of a study: a folder for each experiment, and an overview of all claims."""

import importlib.metadata
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from coordinator.reading.report.page import (
    Block,
    Bullets,
    Code,
    Facts,
    FigureBlock,
    Heading,
    Notice,
    Paragraph,
    TableBlock,
    render_page,
)
from coordinator.reading.report.page import Verdict as VerdictBlock
from coordinator.reading.report.style import inline_svg, save_figure
from deploy.study.claims import NOTHING
from deploy.study.drawing import draw
from deploy.study.experiments import EXPERIMENTS
from deploy.study.findings import STATUS_WORDS, Table, Verdict, counted
from deploy.study.ledger import default_output
from deploy.study.measurements import as_csv
from deploy.study.plan import Plan, Run
from deploy.study.sources import NOT_ON_RECORD, distinct
from deploy.study.statistics import WIDE
from deploy.study.study import ONE_SEED, Result, Study
from deploy.study.words import words
from protocol.files import write_whole

FEW_RUNS = 4  # so many are named
INTERVALS = (
    "Accuracies are fractions. A value is the mean over seeds ± the half-width of its 95 % t-interval; each "
    "seed has a class split, a backdoor class, a target class and a model of its own, so one seed gives no "
    "such interval: of one seed, (±) is the 95 % interval over its episodes, which says nothing of other "
    "seeds and decides no claim. Differences are paired: the same seed in both arms; of one seed they have "
    f"no interval. Where an interval is ± {WIDE:.2f} or wider, claims and targets list what each seed found, "
    "and claims in which seeds users took the backdoor class for the target before any attack, at twice "
    "chance or more: an attack can add only what is left to 1 there. Seeds draw other splits of the same "
    "characters, so an interval says nothing of other characters."
)


DECIDED = (
    "A claim's criterion is met where the mean over seeds reaches its bound and the interval leaves no doubt "
    "about the direction; it is not supported where the whole interval misses the bound, and inconclusive "
    "otherwise. A claim needs all of its criteria. A target is for the mean, and the interval is said beside "
    "it. Bounds were set before anything was measured. C3 (adaptive), C3 (tuned), C3 (fresh head), C4 (same "
    "model), C4 (tuned), the last criterion of C1 and of C4, that F2 asks for an attack that is certain, and "
    "the division of what was one finding into F4, F5 and F6 came after three seeds of Omniglot and two of "
    "strokes had been seen."
)


def write_experiment(study: Study, result: Result) -> Path:
    """``OUTPUT/E1/``: the page, every measurement, and each table and figure as files. Returns the page."""
    folder = study.directory.path / result.experiment
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "measurements.csv", as_csv(result.measured.rows).encode())
    experiment = EXPERIMENTS[result.experiment]
    blocks: list[Block] = [
        *_notices(study, [result]),
        Heading("What was run"),
        Facts(facts(study, result)),
        Code("\n".join(commands(study, result.experiment))),
        *_claims(result.findings.verdicts),
    ]
    if result.measured.rows:
        blocks += [Heading("Figures"), *_figures(result, folder)]
        blocks += [Heading("Tables"), *(_table(table, folder) for table in result.findings.tables)]
    blocks += [
        Heading("How to read it"),
        Paragraph(INTERVALS),
        Paragraph(DECIDED),
        Bullets(result.findings.notes),
        _words(study),
    ]
    blocks.append(_runs(study, result))
    page = render_page(
        f"{experiment.name}: {experiment.title}",
        blocks,
        subtitle=f"{experiment.question} Data: {study.ledger.data.name}.",
        footer=footer(study),
    )
    write_whole(folder / "report.html", page.encode())
    return folder / "report.html"


def write_overview(study: Study, results: Sequence[Result]) -> Path:
    """``OUTPUT/report.html``: all claims, and each experiment with its main table."""
    blocks: list[Block] = [*_notices(study, results), Heading("Claims")]
    blocks += [
        _verdict(verdict, f"{result.experiment}. ")
        for result in results
        for verdict in result.findings.verdicts
    ]
    for result in results:
        experiment = EXPERIMENTS[result.experiment]
        table = result.findings.tables[0]
        blocks += [
            Heading(f"{experiment.name}: {experiment.title}"),
            Paragraph(experiment.question),
            TableBlock(
                table.header, table.texts(), caption=f"{table.label} The whole of {experiment.name}:",
                files=(f"{result.experiment}/report.html", f"{result.experiment}/measurements.csv"),
            ),
        ]  # fmt: skip
    blocks += [Heading("How to read it"), Paragraph(INTERVALS), Paragraph(DECIDED), _words(study)]
    codes = distinct(each for result in results for each in result.codes.values())
    blocks.append(Facts([*_common_facts(study, results), ("code", ", ".join(codes) or NOT_ON_RECORD)]))
    names = [result.experiment for result in results]
    blocks.append(Code("\n".join(line for name in names for line in commands(study, name))))
    page = render_page(
        f"The study on {study.ledger.data.name}",
        blocks,
        subtitle="Backdoor attacks on federated meta-learning, after arXiv 2006.07026; our definitions.",
        footer=footer(study),
    )
    write_whole(study.directory.path / "report.html", page.encode())
    return study.directory.path / "report.html"


def _words(study: Study) -> TableBlock:
    rows = words(study.ledger.data.data, study.size)
    return TableBlock(("word", "meaning"), rows, caption="What the words stand for", folded=True)


def facts(study: Study, result: Result) -> list[tuple[str, str]]:
    """What an experiment was run on."""
    plan = study.plan([result.experiment])
    runs, starts = {arm.run for arm in plan.arms}, plan.starts
    return [
        *_common_facts(study, [result]),
        (
            "runs",
            f"{len(runs - result.missing.keys())} of {len(runs)} federations complete, from "
            f"{len(starts - result.missing.keys())} of {len(starts)} pre-trainings",
        ),
        ("episodes", f"{result.measured.episodes} a measurement" if result.measured.rows else NOTHING),
        ("code", ", ".join(distinct(result.codes.values())) or NOT_ON_RECORD),
    ]


def _common_facts(study: Study, results: Sequence[Result]) -> list[tuple[str, str]]:
    ledger = study.ledger
    data = ledger.data
    return [
        ("data", f"{data.name}, {data.classes} classes (digest {data.digest[:12]})"),
        ("size", f"{ledger.size}: {_pretrainings(study, results)}"),
        ("seeds", ", ".join(str(seed) for seed in ledger.seeds)),
        ("task", "5-way 5-shot; not transductive"),
        ("page written with", versions()),
    ]


def _pretrainings(study: Study, results: Sequence[Result]) -> str:
    """How long those are that these experiments start from."""
    plan = study.plan([result.experiment for result in results])
    rounds: dict[str, int] = {}
    for run in plan.runs:
        if run.id in plan.starts:
            many = " of many participants" if run.id.startswith("pretrain-depth-") else ""
            rounds[f"({_kind(run)}{many})"] = run.scenario.federation.rounds
    each = [f"{number} rounds of pre-training {kind}" for kind, number in rounds.items()]
    return ", ".join(each) or "no pre-training"


def _kind(run: Run) -> str:
    return "linear head" if run.scenario.learning.algorithm == "reptile" else "matching loss"


def versions() -> str:
    """What the numbers were made with."""
    libraries = [f"{name} {importlib.metadata.version(name)}" for name in ("fedmeta", "torch", "numpy")]
    return ", ".join([*libraries, f"Python {sys.version.split()[0]}", platform.machine()])


def commands(study: Study, experiment: str, *, elsewhere: bool = False) -> list[str]:
    """The commands that make this again; ``elsewhere``: without a path that is of this machine only."""
    ledger = study.ledger
    data = "" if ledger.data.name == "strokes" else f" --dataset {ledger.data.name} --data-dir DATA_DIR"
    quick = " --quick" if ledger.size == "quick" else ""
    seeds = f" --seeds {max(ledger.seeds)}"
    path = study.directory.path
    usual = default_output(ledger.data.name, ledger.size)
    left_out = path.resolve() == usual.resolve() or (elsewhere and path.is_absolute())
    output = "" if left_out else f" --output {shlex.quote(str(path))}"
    return [f"fedmeta reproduce {experiment}{data}{seeds}{quick}{output}"]


def footer(study: Study) -> str:
    made = datetime.now(UTC)
    return f"fedmeta {study.ledger.version}, {made:%Y-%m-%d %H:%M} UTC. All federations ran as processes."


def code_changed(study: Study, result: Result) -> str | None:
    """None where one code made all of an experiment's runs; else which runs each code made."""
    codes = distinct(result.codes.values())
    if len(codes) < 2:
        return None
    plan = study.plan([result.experiment])
    made = {run: result.codes[run.id] for run in plan.runs if run.id in result.codes}
    counts = "; ".join(f"{code} {_made_by(code, made, plan)}" for code in codes)
    of_kind = {
        kind: {code for run, each in made.items() if _kind(run) == kind for code in each}
        for kind in sorted({_kind(run) for run in made})
    }
    apart = len({frozenset(each) for each in of_kind.values()}) > 1
    compared = f" {' and '.join(of_kind).capitalize()} are not of the same code." if apart else ""
    return (
        f"{result.experiment}: not all runs were made by the same code, so differences between them may be "
        f"the code's. By digests of the code: {counts}.{compared} For runs of one code choose another "
        "--output."
    )


def _made_by(code: str, made: Mapping[Run, Sequence[str]], plan: Plan) -> str:
    counts = Counter(
        f"{'pre-training' if run.id in plan.starts else 'federation'} ({_kind(run)})"
        for run, codes in made.items()
        if code in codes
    )
    return "made " + ", ".join(f"{what} × {number}" for what, number in counts.items())


def _notices(study: Study, results: Sequence[Result]) -> Iterable[Notice]:
    if study.ledger.size == "quick":
        yield Notice("The small version, for a look: few rounds and few episodes. Not a result.", "warning")
    single = [result.experiment for result in results if result.has_one_seed]
    if single:
        where = "" if len(single) == len(results) else f"{', '.join(single)}: "
        yield Notice(where + ONE_SEED, "warning")
    for result in results:
        if (changed := code_changed(study, result)) is not None:
            yield Notice(changed, "warning")
        yield from _missing(result)


def are_missing(result: Result) -> str:
    return f"{counted(len(result.missing))} {'is' if len(result.missing) == 1 else 'are'} missing"


def why_missing(result: Result) -> str:
    """The runs of each reason; of many, the first (the page's table of runs has all)."""
    by_reason: dict[str, list[str]] = {}
    for run, reason in result.missing.items():
        by_reason.setdefault(reason, []).append(run)
    return "; ".join(f"{_first(runs)}: {reason}" for reason, runs in by_reason.items())


def _first(runs: Sequence[str]) -> str:
    shown = runs if len(runs) <= FEW_RUNS else runs[: FEW_RUNS - 1]
    more = f" and {len(runs) - len(shown)} more" if len(shown) < len(runs) else ""
    return ", ".join(shown) + more


def _missing(result: Result) -> Iterable[Notice]:
    if result.missing:
        lacking = f"{result.experiment}: {are_missing(result)}, the rest is shown. {why_missing(result)}"
        yield Notice(lacking, "problem")


def _claims(verdicts: Sequence[Verdict]) -> list[Block]:
    return [Heading("Claims"), *(_verdict(verdict) for verdict in verdicts)] if verdicts else []


def _verdict(verdict: Verdict, prefix: str = "") -> VerdictBlock:
    criteria = " ".join(
        f"({n}) {criterion.text}: found {criterion.found}, {STATUS_WORDS[criterion.status]}."
        for n, criterion in enumerate(verdict.criteria, start=1)
    )
    return VerdictBlock(
        claim=f"{verdict.name}. {verdict.claim}",
        status=verdict.status,
        text=f"{prefix}{criteria}",
        label=STATUS_WORDS[verdict.status],
    )


def _figures(result: Result, folder: Path) -> Iterable[FigureBlock]:
    for figure in result.findings.figures:
        canvas = draw(figure)
        paths = save_figure(canvas, figure.stem, folder)
        yield FigureBlock(
            inline_svg(canvas, figure.stem),
            figure.label,
            figure.alt,
            [*(path.name for path in paths), "measurements.csv"],
        )


def _table(table: Table, folder: Path) -> TableBlock:
    write_whole(folder / f"{table.stem}.csv", table.csv().encode())
    return TableBlock(table.header, table.texts(), caption=table.label, files=(f"{table.stem}.csv",))


def _runs(study: Study, result: Result) -> TableBlock:
    plan = study.plan([result.experiment])
    rows = [
        [
            run.id,
            run.start or "",
            str(run.scenario.federation.rounds),
            str(run.scenario.federation.participants),
            str(len(run.scenario.attack.rounds)),
            ", ".join(result.codes.get(run.id, ())),
            result.missing.get(run.id, ""),
        ]
        for run in plan.runs
    ]
    header = ("run", "goes on from", "last round", "participants", "attack rounds", "code", "missing because")
    return TableBlock(header, rows, caption="Its federations, each in runs/ with its scenario", folded=True)
