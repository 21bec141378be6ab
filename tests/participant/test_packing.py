"""What leaves a participant: in the federation's encoding, with what that lost of the update before."""

from pathlib import Path

import numpy as np
import pytest

from participant.packing import NOTHING_LOST, Packer, lost_file
from protocol.encodings import ENCODINGS, Delta, Packed
from protocol.errors import RunFailed
from protocol.manifest import Manifest, Parameters
from protocol.messages import Share, Train
from tests.protocol.encodings.examples import FLOAT32, MANIFEST, drawn, flat, read, vector


def order(number: int, previous: int = 0, keep_from: int = 0) -> Train:
    share = Share(index=0, count=1)
    return Train(run="0" * 16, round=number, share=share, previous=previous, keep_from=keep_from)


def packer(folder: Path, encoding: str = "int8", manifest: Manifest = MANIFEST) -> Packer:
    return Packer(ENCODINGS.get(encoding)(manifest), manifest, folder)


def bytes_of(delta: Packed) -> bytes:
    return b"".join(map(bytes, delta.frames()))


def values(delta: Delta) -> np.ndarray:
    found: np.ndarray = read(delta)[FLOAT32]
    return found


@pytest.mark.parametrize("encoding", ["float32", "bfloat16"])
def test_where_nothing_is_fed_back_nothing_is_kept(tmp_path: Path, encoding: str) -> None:
    packer(tmp_path, encoding).pack(order(1), drawn())
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_shared_nothing_is_kept(tmp_path: Path) -> None:
    empty = Manifest(parameters=())
    assert packer(tmp_path, manifest=empty).pack(order(1), Parameters(empty, ())).frames() == []
    assert list(tmp_path.iterdir()) == []


def test_over_the_rounds_nothing_is_lost_but_the_last_remainder(tmp_path: Path) -> None:
    one = packer(tmp_path)
    trained, sent = np.zeros(0), np.zeros(0)
    for number in range(1, 31):
        delta = drawn(seed=number)
        packed = one.pack(order(number, previous=number - 1), delta)
        trained = (
            trained + delta.buffers[FLOAT32].astype(np.float64) if number > 1 else delta.buffers[FLOAT32]
        )
        sent = sent + values(packed).astype(np.float64) if number > 1 else values(packed)
    alone = np.abs(
        values(packer(tmp_path / "other").pack(order(1), drawn())) - drawn().buffers[FLOAT32]
    ).max()
    assert np.abs(trained - sent).max() <= 1.2 * alone


def test_what_is_too_small_for_one_round_arrives_after_several(tmp_path: Path) -> None:
    small = vector([1.0, 0.001])  # the second is an eighth of a unit
    one = packer(tmp_path, manifest=small.manifest)
    arrived = [
        float(read(one.pack(order(number, previous=number - 1), small))[0][1]) for number in range(1, 101)
    ]
    assert arrived[0] == 0.0
    assert sum(arrived) == pytest.approx(0.1, abs=1 / 127)


def test_asked_twice_it_gives_the_same_bytes(tmp_path: Path) -> None:
    one = packer(tmp_path)
    one.pack(order(1), drawn(1))
    second = bytes_of(one.pack(order(2, previous=1), drawn(2)))
    one.pack(order(3, previous=2), drawn(3))
    assert bytes_of(one.pack(order(2, previous=1), drawn(2))) == second
    assert bytes_of(packer(tmp_path).pack(order(2, previous=1), drawn(2))) == second  # killed, and back


def test_it_goes_on_from_the_last_update_that_counted(tmp_path: Path) -> None:
    one, other = packer(tmp_path / "one"), packer(tmp_path / "other")
    for each in (one, other):
        each.pack(order(1), drawn(1))
    one.pack(order(2, previous=1), drawn(2))  # late, so it does not count
    third = [bytes_of(each.pack(order(3, previous=1), drawn(3))) for each in (one, other)]
    assert third[0] == third[1]


def test_what_will_not_be_asked_for_again_is_deleted(tmp_path: Path) -> None:
    one = packer(tmp_path)
    for number in range(1, 6):
        one.pack(order(number, previous=number - 1, keep_from=max(0, number - 2)), drawn(number))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"lost-{number:06d}.safetensors" for number in (3, 4, 5)
    ]


def test_without_what_was_lost_it_ends_and_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"lost-000004\.safetensors: what was lost .* round 4") as failed:
        packer(tmp_path).pack(order(7, previous=4), drawn())
    assert len(str(failed.value).splitlines()) == 1
    lost_file(tmp_path, 4).write_bytes(b"torn")
    with pytest.raises(RunFailed, match="cannot be read"):
        packer(tmp_path).pack(order(7, previous=4), drawn())


def test_an_empty_file_says_that_nothing_was_lost(tmp_path: Path) -> None:
    lost_file(tmp_path, 4).write_bytes(NOTHING_LOST)
    packed = packer(tmp_path).pack(order(7, previous=4), drawn())
    assert bytes_of(packed) == bytes_of(ENCODINGS.get("int8")(MANIFEST).encode(drawn()))


def test_what_another_model_lost_is_refused(tmp_path: Path) -> None:
    packer(tmp_path, manifest=flat(5)).pack(order(4), vector(np.ones(5)))
    with pytest.raises(RunFailed, match="of another model"):
        packer(tmp_path).pack(order(7, previous=4), drawn())


def test_after_a_boosted_update_what_is_left_of_it_follows(tmp_path: Path) -> None:
    """A second dose, of a 254th of the largest value in its block at most; of that one, next to nothing."""
    boosted, benign = vector(13 * drawn(1).buffers[FLOAT32]), vector(0 * drawn(1).buffers[FLOAT32])
    one = packer(tmp_path, manifest=boosted.manifest)
    first, second, third = (
        read(one.pack(order(number, previous=number - 1), delta))[0]
        for number, delta in ((1, boosted), (2, benign), (3, benign))
    )
    largest = np.abs(boosted.buffers[0]).max()
    assert 0 < np.abs(second).max() <= largest / 254 * 1.01
    assert np.abs(third).max() <= largest / 254**2 * 1.01
    assert np.abs(first + second + third - boosted.buffers[0]).max() <= largest * 2.0**-22


def test_an_update_that_is_not_finite_is_sent_for_the_coordinator_to_refuse(tmp_path: Path) -> None:
    bad = vector([np.nan, 1.0])
    assert len(packer(tmp_path, manifest=bad.manifest).pack(order(1), bad).frames()) == 1
