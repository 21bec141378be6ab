"""How hard a data set is for a method that learns nothing: the nearest neighbour by cosine of pixels."""

import numpy as np

from participant.data import Dataset


def nearest_neighbour_accuracy(
    dataset: Dataset, way: int, shot: int, episodes: int, seed: int = 0, queries: int = 5
) -> float:
    """The share of queries whose nearest support image, by cosine of pixels, is of their own class."""
    rng = np.random.default_rng(seed)
    pixels = dataset.images.reshape(len(dataset.images), -1).astype(np.float32)
    pixels /= np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-6)
    right = 0
    for _ in range(episodes):
        chosen = rng.choice(len(dataset.classes), way, replace=False)
        drawn = np.stack(
            [rng.permutation(np.arange(*dataset.offsets[c : c + 2]))[: shot + queries] for c in chosen]
        )
        support, query = pixels[drawn[:, :shot].ravel()], pixels[drawn[:, shot:].ravel()]
        nearest = (query @ support.T).argmax(axis=1) // shot
        right += int((nearest == np.repeat(np.arange(way), queries)).sum())
    return right / (episodes * way * queries)
