"""Updates are counted as what their encoding makes of them, without all of it at once."""

import random
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.aggregation import BadValues
from protocol.encodings import ENCODINGS, Delta
from protocol.manifest import Parameters
from tests.coordinator.aggregation.examples import rule
from tests.coordinator.aggregation.test_rules import RULES
from tests.protocol.encodings.examples import MANIFEST, NAMES, drawn, flat, read, vector

every_rule = pytest.mark.parametrize(("name", "rules"), RULES)
every_encoding = pytest.mark.parametrize("encoding", NAMES)
MODEL = drawn(seed=99, scale=0.1)


def received(encoding: str, delta: Parameters) -> Delta:
    made = ENCODINGS.get(encoding)(delta.manifest)
    return made.decode([bytes(frame) for frame in made.encode(delta).frames()])


@every_rule
@every_encoding
def test_they_count_as_the_values_that_they_decode_to(
    encoding: str, name: str, rules: dict[str, Any]
) -> None:
    updates = [received(encoding, drawn(seed, scale=10.0**-seed)) for seed in range(5)]
    dense = [Parameters(MANIFEST, tuple(read(update))) for update in updates]
    one, other = rule(name, MANIFEST, **rules), rule(name, MANIFEST, **rules)
    assert [one.add(update) for update in updates] == [other.add(update) for update in dense]
    assert one.step(MODEL, 0.3).digest() == other.step(MODEL, 0.3).digest()


@every_rule
@every_encoding
@given(shuffle=st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_arrival_does_not_change_one_bit(
    encoding: str, name: str, rules: dict[str, Any], shuffle: random.Random
) -> None:
    updates = [received(encoding, drawn(seed)) for seed in range(4)]
    shuffled = list(updates)
    shuffle.shuffle(shuffled)
    one, other = rule(name, MANIFEST, **rules), rule(name, MANIFEST, **rules)
    for update, another in zip(updates, shuffled, strict=True):
        one.add(update)
        other.add(another)
    assert one.step(MODEL, 0.3).digest() == other.step(MODEL, 0.3).digest()


@every_rule
@every_encoding
def test_what_is_out_of_range_is_refused_and_nothing_of_it_counts(
    encoding: str, name: str, rules: dict[str, Any]
) -> None:
    values = np.ones(100_003, "<f4")
    good = received(encoding, vector(values))
    values[-1] = 2.0**18
    bad = received(encoding, vector(values))
    zero = vector(np.zeros(100_003))
    one, clean = rule(name, good_manifest := flat(100_003), **rules), rule(name, flat(100_003), **rules)
    assert good_manifest == zero.manifest
    with pytest.raises(BadValues) as caught:
        one.add(bad)
    assert caught.value.reason == "out_of_range"
    for each in (one, clean):
        each.add(good)
    assert one.step(zero, 1.0).digest() == clean.step(zero, 1.0).digest()


@pytest.mark.parametrize("encoding", ["bfloat16", "int8"])
def test_no_float32_copy_of_a_large_update_is_made(encoding: str) -> None:
    update = received(encoding, vector(np.random.default_rng(0).normal(size=2_000_000)))
    total = rule("mean", flat(2_000_000))
    tracemalloc.start()
    try:
        total.add(update)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
