"""What the fits say: what a participant and a byte cost, and where more of both would lead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.page.fit import Fit, Point, fitted
from benchmarks.spread import short
from benchmarks.wire.measured import Go
from benchmarks.wire.sides import Side

NETWORK_BYTES_S = 10e9 / 8  # each way
MANY = 10_000
SIZES = (110_000, 10_000_000)


@dataclass(frozen=True)
class Scaling:
    """``round``: of the time of a round, participants on the same machine; ``processor``: of the
    coordinator's processor seconds, which would be the same with participants elsewhere."""

    round: Fit
    processor: Fit


def scaling(sides: Sequence[Side]) -> Scaling | None:
    """None: too few cases were measured."""
    cases = [side for side in sides if side.name == "ours" and not side.case.keys]
    if len({side.case for side in cases}) < 4:
        return None
    return Scaling(
        round=fitted(_points(cases, lambda go: go.round_s)),
        processor=fitted(_points(cases, lambda go: go.busy_s)),
    )


def text(found: Scaling) -> list[str]:
    """Paragraphs, and a table."""
    return [
        "Fitted to all cases without keys, by least squares of the relative errors, no part negative: "
        "fixed + participants · (each + bytes of a model · each byte, which goes there and back).",
        "",
        "| | fixed | each participant | each MB of model, to each | off by, typically | at most |",
        "|---|---|---|---|---|---|",
        _row("time of a round, participants on the same machine", found.round),
        _row("processor time of the coordinator", found.processor),
        "",
        *(line for size in SIZES for line in (_prediction(found.processor, size), "")),
        _limit(found.processor),
    ]


@dataclass(frozen=True)
class Prediction:
    """Seconds of a round of many participants: that the coordinator computes, and that the network takes for
    the bytes one way. ``bytes_share``: of the first, what is for bytes."""

    processor_s: float
    network_s: float
    bytes_share: float


def predicted(fit: Fit, participants: int, model_bytes: int) -> Prediction:
    processor_s = fit.at(participants, model_bytes)
    return Prediction(
        processor_s=processor_s,
        network_s=participants * model_bytes / NETWORK_BYTES_S,
        bytes_share=participants * model_bytes * fit.byte_s / processor_s,
    )


def even_bytes(fit: Fit) -> float | None:
    """The size of a model from which on the network, and not one core of the coordinator, is the limit, with
    very many participants; None: the core always is."""
    network_byte_s = 1 / NETWORK_BYTES_S
    return fit.each_s / (network_byte_s - fit.byte_s) if fit.byte_s < network_byte_s else None


def _prediction(fit: Fit, parameters: int) -> str:
    at = predicted(fit, MANY, 4 * parameters)
    begin = (
        f"{MANY:,} participants of {parameters:,} parameters ({4 * parameters / 1e6:g} MB): the coordinator "
        f"would compute {short(at.processor_s)} s a round, {at.bytes_share:.0%} of it for bytes; a network "
        f"of 10 Gbit/s each way would take {short(at.network_s)} s to send the model to all, and as long for "
        "the updates, which may come while it still sends."
    )
    if at.network_s >= at.processor_s:
        return f"{begin} So the network is the limit: what moves it is fewer bytes, or more coordinators."
    if at.bytes_share >= 0.5:
        moves = "fewer bytes, a faster pass over them, or more cores that share it"
    else:
        moves = "less to do for each message, or several coordinators, each for a part of the participants"
    return (
        f"{begin} So one core is the limit, as far as one core does it all "
        f"({short(at.processor_s / at.network_s)} times the network's time): what moves it is {moves}."
    )


def _limit(fit: Fit) -> str:
    rate = f"For bytes alone one core keeps up with {short(8e-9 / fit.byte_s)} Gbit/s. " if fit.byte_s else ""
    even = even_bytes(fit)
    if even is None:
        return f"{rate}With any size of model one core is the limit before a network of 10 Gbit/s is."
    return (
        f"{rate}With models under {short(even / 1e6)} MB the cost of a participant's messages is the limit, "
        "with larger ones a network of 10 Gbit/s."
    )


def _row(what: str, fit: Fit) -> str:
    figures = (
        f"{short(1e3 * fit.fixed_s)} ms",
        f"{short(1e6 * fit.each_s)} µs",
        f"{short(1e3 * fit.byte_s * 1e6)} ms",
        f"{fit.typical:.0%}",
        f"{fit.worst:.0%}",
    )
    return f"| {what} | {' | '.join(figures)} |"


def _points(sides: Sequence[Side], of: Callable[[Go], float]) -> list[Point]:
    return [
        Point(side.case.participants, side.case.model_bytes, median(of(go) for go in side.goes))
        for side in sides
    ]
