"""What shorter updates save, and what they do to the model: one attack, in each encoding, over several seeds.

    python -m benchmarks.encodings [--seeds N] [--set KEY=VALUE]... [--data-dir DIR] [--keep DIR]

Each is a whole `fedmeta run one_shot_attack` of real processes. Encodings take turns within a seed, and share
its classes, its images and what is drawn in each round. A model that was rounded once goes another way from
there on, so of one seed alone the differences are as much chance as encoding.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import click

from coordinator.reading.fold import Reading
from coordinator.reading.history import RunHistory
from coordinator.reading.pooling import Measured, at_usual_steps, pooled
from protocol.scenario import Scenario, load_scenario
from protocol.scenario_files import find_scenario

SCENARIO = "one_shot_attack"
ENCODINGS = ("float32", "bfloat16", "int8")
WARM_UP = 3  # rounds


@dataclass(frozen=True)
class Accuracy:
    """Of one decision logic on the model after ``round``, as fractions; ``backdoor`` on images that the
    attacker has never seen. ``stage``: where in the run that is."""

    stage: str
    round: int
    decision: str
    main: float
    attack_train: float
    backdoor: float


@dataclass(frozen=True)
class Row:
    """One run. ``update_bytes``: of one update, its header included; ``bytes_in``: all that the coordinator
    received in a round; ``round_s`` and ``train_s``: of a round, and of a participant's part in it, what
    encoding takes included; all medians."""

    encoding: str
    seed: int
    update_bytes: int
    bytes_in: int
    round_s: float
    train_s: float
    accuracies: tuple[Accuracy, ...]


def rows(
    seeds: Sequence[int],
    folder: Path,
    *,
    encodings: Sequence[str] = ENCODINGS,
    settings: Sequence[str] = (),
    data_dir: Path | None = None,
) -> Iterator[Row]:
    """One row a run, as soon as it is complete; run directories are left in ``folder``."""
    for seed in seeds:
        for encoding in encodings:
            run_dir = folder / f"{encoding}-{seed}"
            overrides = [*settings, f"federation.seed={seed}", f"federation.encoding={encoding}"]
            _run(run_dir, overrides, data_dir)
            yield row(encoding, seed, run_dir)


def row(encoding: str, seed: int, run_dir: Path) -> Row:
    """What the journal of a complete run says."""
    reading = Reading()
    for line in (run_dir / "journal.jsonl").read_text().splitlines():
        reading.feed(line)
    history, scenario = reading.history(), load_scenario(run_dir / "scenario.toml")
    updates = [update for round_ in history.completed for update in round_.updates]
    done = [round_.completion for round_ in history.completed[WARM_UP:] if round_.completion is not None]
    return Row(
        encoding=encoding,
        seed=seed,
        update_bytes=round(median(update.bytes for update in updates)),
        bytes_in=round(median(one.bytes_in for one in done)),
        round_s=median(one.seconds for one in done),
        train_s=median(update.seconds for update in updates),
        accuracies=tuple(_accuracies(history, scenario)),
    )


def stages(scenario: Scenario, measured: Sequence[int]) -> dict[int, str]:
    """What the measured rounds are to the first attack."""
    attack = min(scenario.attack.rounds)
    before = [number for number in measured if number < attack]
    after = [number for number in measured if number > attack]
    names = dict.fromkeys(before[-1:], "before the attack")
    names |= {number: "right after it" for number in measured if number == attack}
    return names | {number: f"+{number - attack} rounds" for number in after}


def _accuracies(history: RunHistory, scenario: Scenario) -> Iterator[Accuracy]:
    measured: tuple[Measured, ...] = at_usual_steps(pooled(history.evaluations, {}))
    names = stages(scenario, sorted({one.round for one in measured}))
    for one in sorted(measured, key=lambda one: (one.decision, one.round)):
        if one.round in names and not one.backdoor_in_support:
            yield Accuracy(
                stage=names[one.round],
                round=one.round,
                decision=one.decision,
                main=one.main_accuracy.mean,
                attack_train=one.attack_train.mean,
                backdoor=one.attack_validation.mean,
            )


def _run(run_dir: Path, overrides: Sequence[str], data_dir: Path | None) -> None:
    command = [sys.executable, "-m", "deploy", "run", SCENARIO, "--run-dir", str(run_dir), "--device", "cpu"]
    command += [part for override in overrides for part in ("--set", override)]
    command += ["--data-dir", str(data_dir)] if data_dir is not None else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")


@click.command()
@click.option("--seeds", default=3, show_default=True, help="How many, from the scenario's own on.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of the scenario.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Leave the run directories there."
)
def main(seeds: int, settings: tuple[str, ...], data_dir: Path | None, keep: Path | None) -> None:
    first = load_scenario(find_scenario(SCENARIO), settings).federation.seed
    with TemporaryDirectory() as temporary:
        found = []
        for one in rows(
            range(first, first + seeds), keep or Path(temporary), settings=settings, data_dir=data_dir
        ):
            found.append(one)
            click.echo(f"seed {one.seed}, {one.encoding}: {1000 * one.round_s:.1f} ms a round", err=True)
    click.echo(table(found))


def table(found: Sequence[Row]) -> str:
    """Means over seeds, and in brackets the lowest and the highest."""
    exact = {one.seed: one for one in found if one.encoding == "float32"}
    lines = [
        f"{'encoding':<10}{'an update':>11}{'share':>8}{'in, a round':>13}{'round, s':>11}{'training, s':>13}"
    ]
    for encoding in dict.fromkeys(one.encoding for one in found):
        its = [one for one in found if one.encoding == encoding]
        compared = [one.update_bytes / exact[one.seed].update_bytes for one in its if one.seed in exact]
        share = f"{fmean(compared):.3f}" if compared else ""
        bytes_in = round(median(one.bytes_in for one in its))
        round_s, train_s = fmean(one.round_s for one in its), fmean(one.train_s for one in its)
        lines.append(
            f"{encoding:<10}{its[0].update_bytes:>11,}{share:>8}{bytes_in:>13,}{round_s:>11.4f}{train_s:>13.4f}"
        )
    for decision in dict.fromkeys(accuracy.decision for one in found for accuracy in one.accuracies):
        lines += ["", f"{decision:<20}{'encoding':<10}{'main task':>20}{'backdoor, new images':>24}"]
        for stage in dict.fromkeys(accuracy.stage for one in found for accuracy in one.accuracies):
            for encoding in dict.fromkeys(one.encoding for one in found):
                those = accuracies(found, encoding, decision, stage)
                if those:
                    main_task, backdoor = [one.main for one in those], [one.backdoor for one in those]
                    lines.append(f"{stage:<20}{encoding:<10}{_over(main_task):>20}{_over(backdoor):>24}")
    return "\n".join(lines)


def accuracies(found: Sequence[Row], encoding: str, decision: str, stage: str) -> list[Accuracy]:
    """Of all seeds."""
    return [
        accuracy
        for one in found
        if one.encoding == encoding
        for accuracy in one.accuracies
        if (accuracy.decision, accuracy.stage) == (decision, stage)
    ]


def _over(values: Sequence[float]) -> str:
    return f"{fmean(values):.3f} ({min(values):.2f}–{max(values):.2f})"


if __name__ == "__main__":
    main()
