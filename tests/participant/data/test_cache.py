import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from participant.data import Dataset
from participant.data.cache import cached
from protocol.seeds import generator


def toy() -> Dataset:
    images = generator(1, "toy").integers(0, 256, (4, 3, 8, 8)).astype(np.uint8)
    groups = {"train": frozenset({"a"}), "test": frozenset({"b"})}
    return Dataset("toy", ("a", "b"), images, np.array([0, 2, 4]), groups)


def never() -> Dataset:
    raise AssertionError("it was in the cache")


def the_file() -> Path:
    (path,) = (platformdirs.user_cache_path("fedmeta") / "decoded").iterdir()
    return path


def test_what_was_made_once_comes_back_the_same() -> None:
    first = cached("toy", "key", toy)
    again = cached("toy", "key", never)
    assert again.classes == first.classes
    assert again.groups == first.groups
    np.testing.assert_array_equal(again.offsets, first.offsets)
    np.testing.assert_array_equal(again.images, first.images)


def test_another_key_is_another_data_set() -> None:
    cached("toy", "key", toy)
    with pytest.raises(AssertionError, match="cache"):
        cached("toy", "another key", never)


def test_writing_to_the_images_changes_nothing_for_others() -> None:
    cached("toy", "key", toy)
    cached("toy", "key", never).images[:] = 0
    np.testing.assert_array_equal(cached("toy", "key", never).images, toy().images)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"x",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: b"[]\n" + content,
        lambda content: b"\xff\xfe" + content,
        lambda content: content.replace(b'"crc32"', b'"other"'),
    ],
    ids=["empty", "cut off", "too long", "one bit", "not an object", "not text", "no checksum"],
)
def test_a_damaged_file_is_made_anew(damage: Callable[[bytes], bytes]) -> None:
    cached("toy", "key", toy)
    the_file().write_bytes(damage(the_file().read_bytes()))
    np.testing.assert_array_equal(cached("toy", "key", toy).images, toy().images)
    cached("toy", "key", never)


def test_a_cache_that_cannot_be_written_costs_only_time(caplog: pytest.LogCaptureFixture) -> None:
    (platformdirs.user_cache_path("fedmeta") / "decoded").write_text("a file where the folder should be")
    np.testing.assert_array_equal(cached("toy", "key", toy).images, toy().images)
    assert "not kept" in caplog.text


def test_six_processes_that_start_at_once_read_the_same(tmp_path: Path) -> None:
    program = (
        "import hashlib; from participant.data import load_dataset; "
        "print(hashlib.sha256(load_dataset('strokes', classes=10).images).hexdigest())"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    digests = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 6
    assert len(digests) == 1
    if sys.platform == "linux":  # where XDG_CACHE_HOME is the user's cache directory
        assert len(list((tmp_path / "fedmeta" / "decoded").iterdir())) == 1
