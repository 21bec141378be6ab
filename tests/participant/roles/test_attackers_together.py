"""Several attackers, bounded updates: what each submits, and that it adds up to one attack."""

from pathlib import Path

import numpy as np
import pytest

from participant.learning.attack_images import AttackImages
from participant.roles.malicious import Malicious, boost_of, part_of, within
from protocol.manifest import Parameters
from protocol.messages import Share
from tests.participant.tiny import never, order, theta, tiny_scenario, tiny_setting

ATTACK_ROUND = 5


def norm(update: Parameters) -> float:
    return float(np.sqrt(sum(np.square(buffer).sum() for buffer in update.buffers)))


def attackers(tmp_path: Path, count: int, *overrides: str) -> list[Malicious]:
    return [
        Malicious(tiny_setting(tmp_path, *overrides, name=f"eve{i}", attacker=Share(index=i, count=count)))
        for i in range(count)
    ]


def test_those_who_collude_share_the_boost() -> None:
    assert boost_of(tiny_scenario("attack.boost=6"), ATTACK_ROUND, 3) == 2
    assert boost_of(tiny_scenario(), ATTACK_ROUND, 2) == pytest.approx(4 / 0.3 / 2)
    split = tiny_scenario('attack.together="split"', "attack.boost=6")
    assert boost_of(split, ATTACK_ROUND, 3) == 6


def test_those_who_split_take_different_backdoor_classes() -> None:
    rows = np.arange(1)
    images = AttackImages(
        "t", {"a": rows, "b": rows, "c": rows}, {}, {}, attacker_target=rows, user_target=rows
    )
    split = tiny_scenario('attack.together="split"')
    parts = [set(part_of(images, split, Share(index=i, count=2)).attack_train) for i in range(2)]
    assert parts == [{"a", "c"}, {"b"}]
    more = [set(part_of(images, split, Share(index=i, count=5)).attack_train) for i in range(5)]
    assert more == [{"a"}, {"b"}, {"c"}, {"a"}, {"b"}]
    assert part_of(images, tiny_scenario(), Share(index=1, count=2)) is images


def test_two_who_collude_with_the_same_classes_submit_the_two_halves_of_one_attack(tmp_path: Path) -> None:
    [alone] = attackers(tmp_path / "one", 1)
    start = theta(alone.setting)
    whole = alone.train(order(ATTACK_ROUND), start, never)
    halves = [eve.train(order(ATTACK_ROUND), start, never) for eve in attackers(tmp_path / "two", 2)]
    for buffer, first, second in zip(whole.buffers, halves[0].buffers, halves[1].buffers, strict=True):
        np.testing.assert_allclose(first + second, buffer, rtol=1e-5)


def test_a_bounded_attacker_submits_no_larger_norm_and_is_benign_otherwise(tmp_path: Path) -> None:
    [free] = attackers(tmp_path / "free", 1)
    [bounded] = attackers(tmp_path / "bounded", 1, "attack.norm=0.5")
    start = theta(free.setting)
    unbounded, submitted = (eve.train(order(ATTACK_ROUND), start, never) for eve in (free, bounded))
    assert norm(unbounded) > 1
    assert norm(submitted) == pytest.approx(0.5, rel=1e-4)
    benign, same = (eve.train(order(1), start, never) for eve in (free, bounded))
    assert benign.digest() == same.digest()


def test_an_update_within_the_bound_stays_as_it_is(tmp_path: Path) -> None:
    update = theta(tiny_setting(tmp_path))
    assert within(update, 1e9) is update
