import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from participant.learning.episodes import draw_classes, draw_episode, place
from participant.learning.images import ImageBank
from participant.learning.inner_loop import mini_batches
from protocol.errors import UsageProblem
from tests.participant.tiny import tiny_bank, tiny_dataset

BANK = tiny_bank()
CLASSES = tiny_dataset().classes


def test_an_episode_has_its_shapes_and_no_image_in_both_sets() -> None:
    episode = draw_episode(np.random.default_rng(0), BANK, CLASSES[:3], shots=2, query=4)
    assert episode.support.shape == (6, 1, 28, 28)
    assert episode.query.shape == (12, 1, 28, 28)
    assert episode.support_labels.tolist() == [0, 0, 1, 1, 2, 2]
    everything = torch.cat([episode.support, episode.query]).flatten(1)
    assert len(torch.unique(everything, dim=0)) == 18


def test_images_are_of_the_class_that_the_label_says() -> None:
    episode = draw_episode(np.random.default_rng(0), BANK, CLASSES[4:7], shots=3)
    for position, name in enumerate(CLASSES[4:7]):
        own = BANK.take(BANK.members[name]).flatten(1)
        for image in episode.support[episode.support_labels == position].flatten(1):
            assert (own == image).all(dim=1).any()


def test_the_same_generator_draws_the_same_episode_and_another_draws_another() -> None:
    first, second, third = (
        draw_episode(np.random.default_rng(seed), BANK, CLASSES[:3], shots=2, rotations=True).support
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_a_rotation_turns_a_class_as_a_whole() -> None:
    upright = {tuple(image.flatten().tolist()) for image in BANK.take(BANK.members[CLASSES[0]])}
    seen = set()
    for seed in range(20):
        episode = draw_episode(np.random.default_rng(seed), BANK, CLASSES[:1], shots=5, rotations=True)
        for turns in range(4):
            back = torch.rot90(episode.support, -turns, (2, 3))
            if all(tuple(image.flatten().tolist()) in upright for image in back):
                seen.add(turns)
    assert seen == {0, 1, 2, 3}


def test_too_few_classes_or_images_is_a_usage_problem_that_says_so() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UsageProblem, match="an episode of 5 classes cannot be drawn from 3"):
        draw_classes(rng, CLASSES[:3], 5)
    with pytest.raises(UsageProblem, match="class 'class00' has 20 images here, but an episode needs 21"):
        draw_episode(rng, BANK, CLASSES[:1], shots=20, query=1)


def test_with_at_most_a_small_class_shows_all_that_it_has_and_draws_do_not_change() -> None:
    few = ImageBank(BANK.images, {**BANK.members, CLASSES[1]: BANK.members[CLASSES[1]][:3]})
    with pytest.raises(UsageProblem, match="class 'class01' has 3 images here, but an episode needs 5"):
        draw_episode(np.random.default_rng(0), few, CLASSES[:3], shots=5)
    episode = draw_episode(np.random.default_rng(0), few, CLASSES[:3], shots=5, at_most=True)
    assert episode.support_labels.tolist() == [0] * 5 + [1] * 3 + [2] * 5
    assert len(episode.support) == 13
    strict, loose = (
        draw_episode(np.random.default_rng(1), BANK, CLASSES[:3], shots=5, at_most=at_most)
        for at_most in (False, True)
    )
    assert torch.equal(strict.support, loose.support)


@given(position=st.integers(0, 4))
def test_a_class_is_placed_at_its_position_among_the_others(position: int) -> None:
    placed = place("target", position, ["a", "b", "c", "d"])
    assert placed[position] == "target"
    assert [name for name in placed if name != "target"] == ["a", "b", "c", "d"]


@given(count=st.integers(1, 30), batch=st.integers(1, 40), steps=st.integers(0, 20), seed=st.integers(0, 9))
def test_mini_batches_use_each_image_equally_often(count: int, batch: int, steps: int, seed: int) -> None:
    batches = list(mini_batches(np.random.default_rng(seed), count, batch, steps))
    assert [len(rows) for rows in batches] == [min(batch, count)] * steps
    used = np.bincount(np.concatenate([*batches, np.empty(0, dtype=np.int64)]), minlength=count)
    assert used.max() - used.min() <= 1
