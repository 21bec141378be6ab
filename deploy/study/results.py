"""``docs/RESULTS.md``: what finished studies found, as one page of Markdown; never written by hand."""

import shlex
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.study.archive import SUFFIX, pack
from deploy.study.experiments import EXPERIMENTS
from deploy.study.findings import STATUS_WORDS, Table, Verdict
from deploy.study.ledger import STUDIES
from deploy.study.pages import (
    DECIDED,
    INTERVALS,
    are_missing,
    code_changed,
    commands,
    facts,
    versions,
    why_missing,
    write_experiment,
)
from deploy.study.study import ONE_SEED, Result, Study
from deploy.study.targets import Target, targets
from deploy.study.words import words
from protocol.files import write_whole

_HEAD = """# Results

Written by `fedmeta reproduce results` from the studies below, not by hand. The definitions are our own, after
*Backdoor Attacks on Federated Meta-Learning* (arXiv 2006.07026); the claims C1 to C4 are its abstract's.
"""


def write_results(studies: Sequence[Study], path: Path) -> None:
    """The page; beside it, its figures in ``figures/`` and what was measured in ``measured/``."""
    results = [(study, [study.result(name) for name in study.ledger.experiments]) for study in studies]
    lines = [_HEAD, INTERVALS, "", DECIDED, ""]
    lines += _claims(results)
    lines += _disagreements(results)
    for study, found in results:
        lines += _study(study, found, path.parent)
    lines += [f"Written {datetime.now(UTC):%Y-%m-%d} with {versions()}.", ""]
    write_whole(path, "\n".join(lines).encode())


def _claims(results: Sequence[tuple[Study, list[Result]]]) -> Iterable[str]:
    yield from ("## Claims", "")
    for study, found in results:
        if single := [result.experiment for result in found if result.has_one_seed]:
            yield from (f"**{study.name} ({', '.join(single)}):** {ONE_SEED}", "")
    header = ["claim", *(study.name for study, _ in results)]
    rows: dict[tuple[str, str], dict[int, str]] = {}
    for i, (_, found) in enumerate(results):
        for result in found:
            for verdict in result.findings.verdicts:
                rows.setdefault((verdict.name, verdict.claim), {})[i] = STATUS_WORDS[verdict.status]
    cells = [
        [f"**{name}** {claim}", *(words.get(i, "not measured") for i in range(len(results)))]
        for (name, claim), words in rows.items()
    ]
    yield from _markdown(header, cells)
    yield ""
    yield "What each verdict rests on:"
    yield ""
    for study, found in results:
        for result in found:
            for verdict in result.findings.verdicts:
                for criterion in verdict.criteria:
                    yield (
                        f"- {verdict.name}, {study.name}: {criterion.text}. Found "
                        f"{criterion.found}: {STATUS_WORDS[criterion.status]}."
                    )
    yield ""


def _disagreements(results: Sequence[tuple[Study, list[Result]]]) -> Iterable[str]:
    """In plain words, where numbers disagree with the claims or with what was to be reached, and where they
    decide nothing."""
    yield from ("## Where the numbers disagree or decide nothing", "")
    for study, found in results:
        data = _where(study, found)
        yield from _decided(data, [verdict for result in found for verdict in result.findings.verdicts])
        for result in found:
            for verdict in result.findings.verdicts:
                for criterion in verdict.criteria:
                    if criterion.status == "contradicted":
                        yield (
                            f"- On {data}, {verdict.name} is not supported: {criterion.text}, but found "
                            f"{criterion.found}."
                        )
        yield from _reached(data, targets(study, found))
    yield ""


def _where(study: Study, found: Sequence[Result]) -> str:
    """The data, and what keeps its numbers from being results."""
    small = ["the small version"] if study.ledger.size == "quick" else []
    single = [result.experiment for result in found if result.has_one_seed]
    everywhere = len(single) == len([result for result in found if result.measured.rows])
    one = ["one seed" + ("" if everywhere else f" in {', '.join(single)}")] if single else []
    return study.name + (f" ({'; '.join(small + one)})" if small or one else "")


def _decided(data: str, verdicts: Sequence[Verdict]) -> Iterable[str]:
    """How many claims the numbers decide, and which they do not."""
    names = {
        status: [verdict.name for verdict in verdicts if verdict.status == status] for status in STATUS_WORDS
    }
    if not verdicts:
        return
    which = f": {', '.join(names['open'])}, which these numbers neither support nor contradict"
    yield (
        f"- On {data}: of {len(verdicts)} claims, {len(names['supported'])} supported, "
        f"{len(names['contradicted'])} not supported, {len(names['open'])} inconclusive"
        f"{which if names['open'] else ''}."
    )


def _reached(data: str, found: Sequence[Target]) -> Iterable[str]:
    measured = [target for target in found if target.met is not None]
    met = [target for target in measured if target.met]
    if measured:
        unsure = len([target for target in met if not target.shown])
        yield (
            f"- On {data}: of {len(measured)} targets that were measured, {len(met)} met by the mean, "
            f"{unsure} of these without an interval that shows it."
        )
    for target in measured:
        if not target.met:
            yield (
                f"- On {data}, {target.words}: {target.text} should be {target.bound}, and is {target.found}."
            )


def _study(study: Study, found: Sequence[Result], folder: Path) -> Iterable[str]:
    name, figures = study.name, folder / "figures"
    yield from (f"## {name}", "")
    if study.ledger.size == "quick":
        yield from ("**The small version, for a look; not a result.**", "")
    yield from _archived(study, folder)
    yield from _words(study)
    yield from _targets(study, targets(study, found))
    for result in found:
        experiment = EXPERIMENTS[result.experiment]
        yield from (f"### {name}, {experiment.name}: {experiment.title}", "", experiment.question, "")
        yield from (f"- {fact}: {value}" for fact, value in facts(study, result))
        yield from ("", "```", *commands(study, result.experiment, elsewhere=True), "```", "")
        if result.missing:
            yield from (f"**{are_missing(result)}:** {why_missing(result)}", "")
        if (changed := code_changed(study, result)) is not None:
            yield from (f"**Not one code.** {changed}", "")
        if not result.measured.rows:
            continue
        write_experiment(study, result)
        for figure in result.findings.figures:
            file = f"{name}-{experiment.name}-{figure.stem}.svg"
            figures.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(study.directory.path / experiment.name / f"{figure.stem}.svg", figures / file)
            yield from (f"![{figure.alt}](figures/{file})", "", f"*{figure.label}*", "")
        for table in result.findings.tables:
            yield from _table(table)
        yield from (*result.findings.notes, "")


def _words(study: Study) -> Iterable[str]:
    yield from ("What the words below stand for:", "")
    yield from _markdown(
        ["", ""], [[word, meaning] for word, meaning in words(study.ledger.data.data, study.size)]
    )
    yield ""


def _archived(study: Study, folder: Path) -> Iterable[str]:
    archive = f"measured/{study.name}{SUFFIX}"
    pack(study, study.name, folder / archive)
    where, path = _from_root(folder / archive)
    yield (
        f"Every accuracy that was measured is in [{archive}]({archive}): from {where}, `mkdir -p {STUDIES} "
        f"&& tar -xf {shlex.quote(path.as_posix())} -C {STUDIES}` makes a study of it that the commands "
        "below, from there, go on with."
    )
    yield ""


def _from_root(path: Path) -> tuple[str, Path]:
    """A folder from which commands are given, in words, and the path from there: the repository's root, or
    where there is none, the page's own folder."""
    whole = path.resolve()
    for folder in whole.parents:
        if (folder / ".git").exists():
            return "the repository's root", whole.relative_to(folder)
    return "this page's folder", Path(*path.parts[-2:])


def _targets(study: Study, found: Sequence[Target]) -> Iterable[str]:
    small = " (small version)" if study.ledger.size == "quick" else ""
    yield (
        "What was to be reached, set before it was measured. Targets are for the mean over seeds; beside it "
        "stands whether the whole interval is on the same side of them:"
    )
    yield ""
    yield from _markdown(
        ["", "target", "found", ""],
        [
            [
                target.text,
                target.bound,
                target.found,
                target.words + (small if target.met is not None else ""),
            ]
            for target in found
        ],
    )
    yield ""


def _table(table: Table) -> Iterable[str]:
    yield from (table.label, "")
    yield from _markdown(table.header, table.texts())
    yield ""


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '∣') for cell in row)} |"
