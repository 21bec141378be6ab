"""Handwritten-like characters of an unknown script, drawn by code: ``strokes``, the data set that needs no file.

A character is one to four strokes. A stroke is a run of moves, as a hand makes them: each has a length, a
heading and a turn (an arc; no turn is a straight line), and follows the one before smoothly or at a corner. Later
strokes are anchored on earlier ones. A drawing of it repeats the moves with motor noise, then is warped
and drawn with a pen of its own width. Its sizes are in pixels of 28x28 unless said otherwise.

How hard it is was set against Omniglot: see :data:`HAND`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from participant.data.cache import cached
from participant.data.dataset import Dataset
from participant.data.source import Source, Survey, datasets
from protocol.errors import UsageProblem
from protocol.seeds import generator

SIDE = 28
DRAWINGS = 20
DEFAULT_CLASSES = 200
MAX_CLASSES = 100_000
VERSION = 1  # of what is drawn; a change of it makes caches anew

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stroke:
    """The moves of one stroke, each an array ``[moves]``, and where the stroke hangs on earlier ones.

    headings: change of heading in radians before each move; the first is the heading itself.
    turns: the arc, in radians, that each move makes on its way.
    lengths: relative to the character.
    on, at: this stroke's point at fraction ``at`` lies on the character so far at fraction ``on``.
    gap: the two points' distance [2], which is not zero for a stroke that floats free.
    """

    headings: Floats
    turns: Floats
    lengths: Floats
    on: float
    at: float
    gap: Floats


@dataclass(frozen=True)
class Character:
    strokes: tuple[Stroke, ...]
    extent: float  # of its larger side, pixels


@dataclass(frozen=True)
class Hand:
    """Standard deviations of what differs from drawing to drawing."""

    heading: float  # radians
    turn: float  # share of the turn
    length: float  # share of the length
    anchor: float  # fraction of the stroke
    rotation: float  # radians
    shear: float
    scale: float  # share, of each axis
    shift: float  # pixels


# Measured in 5-way episodes, nearest neighbour by cosine of pixels: see tests/participant/data.
HAND = Hand(
    heading=0.16, turn=0.14, length=0.16, anchor=0.06, rotation=0.12, shear=0.12, scale=0.10, shift=1.6
)
STILL = Hand(heading=0, turn=0, length=0, anchor=0, rotation=0, shear=0, scale=0, shift=0)
PEN = (0.75, 1.15)  # width; Omniglot's 105-pixel drawings have lines of 2 to 3 pixels, plus the filter's blur
POINTS = 16  # a move is this many straight pieces
MARGIN = 1.5  # paper left free at each side


@datasets.register("strokes")
class Strokes(Source):
    """``options.classes`` characters of the script ``options.seed``; more classes keep the first ones as they are."""

    def survey(self) -> Survey:
        return Survey("drawn by the program", self._count(), self._count() * DRAWINGS)

    def load(self) -> Dataset:
        """Images ``[20 * classes, 1, 28, 28]``, ink 255; classes ``"character00000"`` and on."""
        key = (VERSION, self._count(), self.options.seed)
        return cached("strokes", key, lambda: draw(self._count(), self.options.seed))

    def _count(self) -> int:
        count = DEFAULT_CLASSES if self.options.classes is None else self.options.classes
        if not 1 <= count <= MAX_CLASSES:
            raise UsageProblem(f"strokes: classes is from 1 to {MAX_CLASSES}, not {count}")
        return count


def draw(classes: int, seed: int) -> Dataset:
    """The data set, drawn anew: about 5 ms a class."""
    images = np.empty((classes, DRAWINGS, SIDE, SIDE), np.uint8)
    for index, character in zip(range(classes), invent(seed, classes), strict=False):
        images[index] = write(character, HAND, DRAWINGS, generator(seed, "strokes", "drawings", index))
    return Dataset(
        name="strokes",
        classes=tuple(f"character{index:05d}" for index in range(classes)),
        images=images.reshape(-1, 1, SIDE, SIDE),
        offsets=np.arange(classes + 1, dtype=np.int64) * DRAWINGS,
    )


def invent(seed: int, count: int) -> Iterator[Character]:
    """Characters of a script, without end of kin: each is neither a mere line nor like one before it.

    The choice for an index depends on the seed and on lower indices alone.
    """
    blurred = np.empty((count, SIDE * SIDE))
    for index in range(count):
        rng = generator(seed, "strokes", "character", index)
        while True:
            character = _invent_one(rng)
            if not _has_two_dimensions(character):
                continue
            shape = _blur(write(character, STILL, 1, rng)[0])
            if index == 0 or (blurred[:index] @ shape).max() < ALIKE:
                break
        blurred[index] = shape
        yield character


ALIKE = 0.93  # cosine of two blurred characters from which they are taken for one


def _invent_one(rng: np.random.Generator) -> Character:
    count = int(rng.choice([1, 2, 3, 4], p=[0.25, 0.4, 0.23, 0.12]))
    strokes = tuple(_invent_stroke(rng, first=k == 0, alone=count == 1) for k in range(count))
    return Character(strokes, extent=float(rng.uniform(14, 22)))


def _invent_stroke(rng: np.random.Generator, first: bool, alone: bool) -> Stroke:
    if alone:
        moves = int(rng.integers(2, 5))
    elif first:
        moves = int(rng.choice([1, 2, 3], p=[0.35, 0.4, 0.25]))
    else:
        moves = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
    sign = rng.choice([-1.0, 1.0], moves)
    corner = rng.random(moves) < 0.6
    headings = np.where(corner, sign * rng.uniform(0.9, 2.5, moves), 0.0)
    # Hands favour strokes down and to the right, near the axes.
    headings[0] = rng.choice([0, 0.5, 1, 0.25, -0.25], p=[0.3, 0.35, 0.05, 0.15, 0.15]) * np.pi + rng.normal(
        0, 0.2
    )
    kind = rng.choice(3, moves, p=[0.45, 0.35, 0.2])  # straight, arc, loop
    bend = np.choose(
        kind, [rng.normal(0, 0.12, moves), rng.uniform(0.8, 2.6, moves), rng.uniform(3, 6, moves)]
    )
    turns = rng.choice([-1.0, 1.0], moves) * bend
    lengths = rng.uniform(0.5, 1.3, moves) * np.where(kind == 2, 1.5, 1) * (1 if first else 0.75)
    free = rng.random() < 0.2
    gap = rng.uniform(0.15, 0.4) * _unit(rng.uniform(0, 2 * np.pi)) if free else np.zeros(2)
    at = float(rng.choice([0.0, 0.5, 1.0], p=[0.6, 0.3, 0.1]))
    return Stroke(headings, turns, lengths, on=float(rng.choice([0, 0.25, 0.5, 0.75, 1])), at=at, gap=gap)


def _unit(angle: float) -> Floats:
    return np.array([np.cos(angle), np.sin(angle)])


def write(character: Character, hand: Hand, drawings: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Drawings of a character by a hand, ``[drawings, 28, 28]``, anti-aliased, ink 255."""
    lines = [line for line in _move(character, hand, drawings, rng)]
    width = rng.uniform(*PEN, drawings)
    return render(_place(lines, character.extent, hand, rng), width)


def _move(character: Character, hand: Hand, drawings: int, rng: np.random.Generator) -> list[Floats]:
    """The strokes as lines, each ``[drawings, points, 2]``, in the character's own measure."""
    lines: list[Floats] = []
    for stroke in character.strokes:
        moves = (drawings, len(stroke.turns))
        turns = stroke.turns * (
            1 + hand.turn * rng.standard_normal(moves)
        ) + hand.heading / 2 * rng.standard_normal(moves)
        lengths = stroke.lengths * np.exp(hand.length * rng.standard_normal(moves))
        bends = stroke.headings + hand.heading * rng.standard_normal(moves)
        start = np.cumsum(bends, axis=1) + np.cumsum(turns, axis=1) - turns
        halfway = (np.arange(POINTS) + 0.5) / POINTS
        heading = (start[:, :, None] + turns[:, :, None] * halfway).reshape(drawings, -1)
        step = np.repeat(lengths / POINTS, POINTS, axis=1)
        steps = np.stack([np.cos(heading), np.sin(heading)], axis=-1) * step[..., None]
        line = np.concatenate([np.zeros((drawings, 1, 2)), np.cumsum(steps, axis=1)], axis=1)
        if lines:
            before = np.concatenate(lines, axis=1)
            on = _at(before, stroke.on + hand.anchor * rng.standard_normal(drawings))
            at = _at(line, stroke.at + hand.anchor * rng.standard_normal(drawings))
            line = line + (on - at + stroke.gap)[:, None]
        lines.append(line)
    return lines


def _at(line: Floats, fraction: Floats) -> Floats:
    """The points ``[drawings, 2]`` of lines ``[drawings, points, 2]`` at a fraction of their points each."""
    last = line.shape[1] - 1
    nearest = np.clip(np.rint(fraction * last), 0, last).astype(int)
    return line[np.arange(len(line)), nearest]


def _place(lines: list[Floats], extent: float, hand: Hand, rng: np.random.Generator) -> list[Floats]:
    """The lines warped and put on the paper: pixels, (x, y), with a margin at each side."""
    points = np.concatenate(lines, axis=1)
    drawings = len(points)
    angle, shear = hand.rotation * rng.standard_normal(drawings), hand.shear * rng.standard_normal(drawings)
    cos, sin, one = np.cos(angle), np.sin(angle), np.ones(drawings)
    turn = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
    slant = np.array([[one, shear], [0 * one, one]]).transpose(2, 0, 1)
    points = points @ (turn @ slant).transpose(0, 2, 1)
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    scale = (
        extent
        / (high - low).max(axis=2, keepdims=True)
        * np.exp(hand.scale * rng.standard_normal((drawings, 1, 2)))
    )
    room = SIDE - 2 * MARGIN
    scale = np.minimum(scale, room / np.maximum(high - low, 1e-9))
    half = (high - low) * scale / 2
    middle = SIDE / 2 + hand.shift * rng.standard_normal((drawings, 1, 2))
    middle = np.clip(middle, MARGIN + half, SIDE - MARGIN - half)
    points = (points - (low + high) / 2) * scale + middle
    return np.split(points, np.cumsum([line.shape[1] for line in lines])[:-1], axis=1)


def render(lines: list[Floats], width: Floats) -> NDArray[np.uint8]:
    """Lines ``[drawings, points, 2]`` drawn with pens ``[drawings]`` wide, as ``[drawings, 28, 28]``.

    A pixel's ink is how much of it the pen covers at its distance from the nearest piece of a line. A piece is
    at most a pixel long, so it is enough to look at the 5x5 pixels around its middle.
    """
    a = np.concatenate([line[:, :-1] for line in lines], axis=1)
    b = np.concatenate([line[:, 1:] for line in lines], axis=1)
    parts = max(1, int(np.ceil(np.sqrt(((b - a) ** 2).sum(-1).max()))))
    step = (b - a)[:, :, None] / parts
    a = (a[:, :, None] + step * np.arange(parts)[:, None]).reshape(len(a), -1, 2)
    step = np.repeat(step, parts, axis=2).reshape(a.shape)

    around = np.stack(np.meshgrid(np.arange(-2, 3), np.arange(-2, 3)), axis=-1).reshape(25, 2)
    pixel = np.floor(a + step / 2).astype(np.int64)[:, :, None] + around  # [drawings, pieces, 25, 2]
    to_pixel = pixel + 0.5 - a[:, :, None]
    along = (to_pixel * step[:, :, None]).sum(-1) / np.maximum((step**2).sum(-1), 1e-12)[..., None]
    off = to_pixel - np.clip(along, 0, 1)[..., None] * step[:, :, None]
    distance = np.sqrt((off**2).sum(-1))
    pen = width[:, None, None]
    ink = np.clip(pen / 2 + 0.5 - distance, 0, np.minimum(pen, 1))

    inside = ((pixel >= 0) & (pixel < SIDE)).all(-1)
    drawing = np.broadcast_to(np.arange(len(a))[:, None, None], ink.shape)
    index = (drawing * SIDE + pixel[..., 1]) * SIDE + pixel[..., 0]
    canvas = np.zeros(len(a) * SIDE * SIDE)
    np.maximum.at(canvas, index[inside], ink[inside])
    return np.rint(canvas * 255).astype(np.uint8).reshape(-1, SIDE, SIDE)


def _has_two_dimensions(character: Character) -> bool:
    """Whether it is more than one line: its narrowest side is a fair share of its widest."""
    line = np.concatenate(_move(character, STILL, 1, np.random.default_rng(0)), axis=1)[0]
    narrow, wide = np.sqrt(np.linalg.eigvalsh(np.cov(line.T)))
    return bool(narrow > 0.25 * wide)


def _blur(image: NDArray[np.uint8]) -> Floats:
    """A drawing ``[28, 28]`` as a unit vector ``[784]``, blurred so that lines some pixels apart still overlap."""
    kernel = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    rows = np.apply_along_axis(np.convolve, 0, image.astype(float), kernel, "same")
    both = np.apply_along_axis(np.convolve, 1, rows, kernel, "same").ravel()
    return np.asarray(both / np.linalg.norm(both))
