"""``strokes``: handwritten-like characters of an unknown script, drawn by code, so that no file is needed.

A character is one to four strokes. A stroke is a run of moves, as a hand makes them: each has a length, a
heading and a turn (an arc; no turn is a straight line), and follows the one before smoothly or at a corner.
Later strokes are anchored on earlier ones, or float near them. A drawing repeats the moves with motor noise,
is warped, and is drawn with a pen of its own width. Lengths are in pixels of 28x28 unless said otherwise.

How hard it is was set against Omniglot: see :data:`HAND`.
"""

import itertools
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
MAX_CLASSES = 10_000  # the more there are, the longer it takes to find one unlike all
VERSION = 2  # of what is drawn; a change of it makes caches anew

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


# Set against the 242 Omniglot characters of images_background_small1 and _small2, in 5-way episodes with 1
# and with 5 shots. Nearest neighbour by cosine of pixels: .45, .70 here; .44, .69 there. A prototypical
# network, after 1,500 steps on 180 of the classes: .86, .96 here; .91, .97 there. With more noise in the
# moves and less in the place, neighbours did the same and the network .75: so it is mostly the place that
# varies.
HAND = Hand(
    heading=0.07, turn=0.07, length=0.09, anchor=0.025, rotation=0.08, scale=0.15, shear=0.12, shift=2.0
)
STILL = Hand(heading=0, turn=0, length=0, anchor=0, rotation=0, shear=0, scale=0, shift=0)
PEN = (1.2, 1.6)  # width; Omniglot's 105-pixel drawings have lines of 2 to 3 pixels, plus the filter's blur
POINTS = 16  # a move is this many straight pieces
MARGIN = 2.0  # paper left free at each side
# Two characters are taken for one from this cosine of their blurred shapes on. It rises a little with each
# attempt in vain, so that thousands of classes are found too.
ALIKE, PATIENCE, VERY_ALIKE = 0.85, 0.0005, 0.93


@datasets.register("strokes")
class Strokes(Source):
    """``options.classes`` characters of the script ``options.seed``; asking for more keeps the first ones."""

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
    """The data set, drawn anew: some 4 ms a class for the first hundreds."""
    images = np.empty((classes, DRAWINGS, SIDE, SIDE), np.uint8)
    for index, character in enumerate(invent(seed, classes)):
        images[index] = write(character, HAND, DRAWINGS, generator(seed, "strokes", "drawings", index))
    return Dataset(
        name="strokes",
        classes=tuple(f"character{index:05d}" for index in range(classes)),
        images=images.reshape(-1, 1, SIDE, SIDE),
        offsets=np.arange(classes + 1, dtype=np.int64) * DRAWINGS,
    )


def invent(seed: int, count: int) -> Iterator[Character]:
    """So many characters of a script, each legible and unlike those before it.

    The choice for an index depends on the seed and on lower indices alone.
    """
    shapes = np.empty((count, SIDE * SIDE))
    for index in range(count):
        rng = generator(seed, "strokes", "character", index)
        for attempt in itertools.count():
            character = _invent_one(rng)
            shape = _legible_shape(character)
            alike = min(ALIKE + attempt * PATIENCE, VERY_ALIKE)
            if shape is not None and (shapes[:index] @ shape).max(initial=0) < alike:
                break
        shapes[index] = shape
        yield character


def _invent_one(rng: np.random.Generator) -> Character:
    count = int(rng.choice([1, 2, 3, 4], p=[0.14, 0.36, 0.32, 0.18]))
    strokes = tuple(_invent_stroke(rng, first=k == 0, alone=count == 1) for k in range(count))
    return Character(strokes, extent=float(rng.uniform(14, 21)))


def _invent_stroke(rng: np.random.Generator, first: bool, alone: bool) -> Stroke:
    if alone:
        moves = int(rng.choice([2, 3, 4], p=[0.1, 0.45, 0.45]))
    else:
        moves = int(rng.choice([1, 2, 3], p=[0.35, 0.45, 0.2] if first else [0.6, 0.32, 0.08]))
    corner = rng.random(moves) < 0.65
    headings = np.where(corner, rng.choice([-1.0, 1.0], moves) * rng.uniform(1.0, 2.3, moves), 0.0)
    # Hands favour strokes to the right and down, near the axes.
    right, down = 0.0, np.pi / 2
    favourite = rng.choice([right, down, down + 0.7, down - 0.7, -0.7], p=[0.35, 0.35, 0.12, 0.08, 0.1])
    headings[0] = favourite + rng.normal(0, 0.12)
    # A move is straight, or an arc, or nearly a loop; loops are long, for their size.
    kind = rng.choice(3, moves, p=[0.5, 0.38, 0.12])
    bends = [rng.normal(0, 0.1, moves), rng.uniform(0.9, 3.2, moves), rng.uniform(4.0, 6.0, moves)]
    turns = rng.choice([-1.0, 1.0], moves) * np.choose(kind, bends)
    lengths = rng.uniform(0.5, 1.2, moves) * np.array([1.0, 1.4, 2.2])[kind] * (1.0 if first else 0.8)
    free = not first and rng.random() < 0.25
    angle = rng.uniform(0, 2 * np.pi)
    gap = np.array([np.cos(angle), np.sin(angle)]) * (rng.uniform(0.25, 0.5) if free else 0.0)
    on = float(rng.choice([0.0, 0.25, 0.5, 0.75, 1.0]))
    at = float(rng.choice([0.0, 0.5, 1.0], p=[0.55, 0.35, 0.1]))
    return Stroke(headings, turns, lengths, on, at, gap)


def write(character: Character, hand: Hand, drawings: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Drawings of a character by a hand, ``[drawings, 28, 28]``, anti-aliased, ink 255."""
    lines = _place(_move(character, hand, drawings, rng), character.extent, hand, rng)
    return render(lines, rng.uniform(*PEN, drawings))


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
    points: Floats = line[np.arange(len(line)), nearest]
    return points


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

    A pixel's ink is how much of it the pen covers at its distance from the nearest piece of a line. A piece
    is at most a pixel long, so it is enough to look at the 5x5 pixels around its middle.
    """
    begin = np.concatenate([line[:, :-1] for line in lines], axis=1)
    step = np.concatenate([np.diff(line, axis=1) for line in lines], axis=1)
    parts = max(1, int(np.ceil(np.hypot(step[..., 0], step[..., 1]).max())))
    step = np.repeat(step / parts, parts, axis=1)
    begin = np.repeat(begin, parts, axis=1)
    begin += step * np.tile(np.arange(parts), begin.shape[1] // parts)[:, None]

    # From here [drawings, pieces, 25], in single precision: this is where the time goes.
    x, y = np.moveaxis(begin.astype(np.float32), -1, 0)[..., None]
    dx, dy = np.moveaxis(step.astype(np.float32), -1, 0)[..., None]
    around = np.arange(-2, 3)
    column = np.floor(x + dx / 2).astype(np.int64) + np.tile(around, 5)
    row = np.floor(y + dy / 2).astype(np.int64) + np.repeat(around, 5)
    to_x, to_y = (column + 0.5 - x).astype(np.float32), (row + 0.5 - y).astype(np.float32)
    along = np.clip((to_x * dx + to_y * dy) / np.maximum(dx * dx + dy * dy, 1e-12), 0, 1)
    distance = np.hypot(to_x - along * dx, to_y - along * dy)
    pen = width.astype(np.float32)[:, None, None]
    ink = np.clip(pen / 2 + 0.5 - distance, 0, np.minimum(pen, 1))

    wet = ink > 0  # always on the paper, since lines keep a margin from its edge
    index = ((np.arange(len(ink))[:, None, None] * SIDE + row) * SIDE + column)[wet]
    paper = np.zeros(len(ink) * SIDE * SIDE, np.float32)
    np.maximum.at(paper, index, ink[wet])
    return np.rint(paper * 255).astype(np.uint8).reshape(-1, SIDE, SIDE)


def _legible_shape(character: Character) -> Floats | None:
    """The character without noise, blurred, as a unit vector ``[784]``; None when nobody could read it.

    It must be more than a mere line, and its lines must not be drawn over and over each other. The blur lets
    lines some pixels apart overlap, so that the product of two shapes says how alike they are.
    """
    rng = np.random.default_rng(0)  # a still hand takes nothing from it that matters
    lines = _place(_move(character, STILL, 1, rng), character.extent, STILL, rng)
    narrow, wide = np.sqrt(np.linalg.eigvalsh(np.cov(np.concatenate(lines, axis=1)[0].T)))
    length = sum(float(np.linalg.norm(np.diff(line[0], axis=0), axis=1).sum()) for line in lines)
    ink = render(lines, np.ones(1))[0] / 255.0
    if narrow < 0.3 * wide or ink.sum() < 0.9 * length:
        return None
    pixels = np.arange(SIDE)
    kernel = np.exp(-0.5 * ((pixels[:, None] - pixels) / 1.5) ** 2)
    blurred = (kernel @ ink @ kernel).ravel()
    return np.asarray(blurred / np.linalg.norm(blurred))
