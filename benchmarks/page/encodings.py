"""What shorter updates save, and what they do to the model."""

from collections.abc import Callable, Sequence

from benchmarks.encodings import Accuracy, Row, accuracies
from benchmarks.results import Encoded
from benchmarks.spread import Spread, ratios

EXACT = "float32"


def text(found: Encoded | None) -> list[str]:
    """Two tables: bytes and times, and accuracies; each value is the median over seeds with the least and the
    most of them."""
    if found is None or not found.rows:
        return ["Not measured."]
    rows = found.rows
    seeds = sorted({row.seed for row in rows})
    names = list(dict.fromkeys(row.encoding for row in rows))
    return [
        f"`fedmeta run one_shot_attack` in each encoding, by seed ({', '.join(map(str, seeds))}), with "
        f"{', '.join(f'`{setting}`' for setting in found.settings)}. A model that was rounded once goes "
        "another way from there on: of few seeds, differences of accuracy are as much chance as encoding. "
        "Accuracies are fractions.",
        "",
        "| | bytes of an update | of float32 | ms a round | ms of a participant's part |",
        "|---|---|---|---|---|",
        *(_costs(name, rows) for name in names),
        "",
        "| decision | | | main task | backdoor, attack-train | backdoor, new images |",
        "|---|---|---|---|---|---|",
        *_accuracies(names, rows),
    ]


def _costs(name: str, rows: Sequence[Row]) -> str:
    its = [row for row in rows if row.encoding == name]
    exact = {row.seed: row for row in rows if row.encoding == EXACT}
    both = [(row, exact[row.seed]) for row in its if row.seed in exact]
    share = (
        ratios([row.update_bytes for row, _ in both], [row.update_bytes for _, row in both]) if both else ""
    )
    figures = (
        f"{its[0].update_bytes:,}",
        str(share),
        str(Spread.of([1000 * row.round_s for row in its])),
        str(Spread.of([1000 * row.train_s for row in its])),
    )
    return f"| {name} | {' | '.join(figures)} |"


def _accuracies(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    every = [accuracy for row in rows for accuracy in row.accuracies]
    lines = []
    for decision in dict.fromkeys(one.decision for one in every):
        for stage in dict.fromkeys(one.stage for one in every):
            for name in names:
                those = accuracies(rows, name, decision, stage)
                if those:
                    lines.append(f"| {decision} | {stage} | {name} | {_figures(those)} |")
    return lines


def _figures(those: Sequence[Accuracy]) -> str:
    of: tuple[Callable[[Accuracy], float], ...] = (
        lambda one: one.main,
        lambda one: one.attack_train,
        lambda one: one.backdoor,
    )
    return " | ".join(_fraction(Spread.of([get(one) for one in those])) for get in of)


def _fraction(value: Spread) -> str:
    between = "" if value.low == value.high else f" ({value.low:.3f}–{value.high:.3f})"
    return f"{value.median:.3f}{between}"
