import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from pydantic import ValidationError

from protocol.manifest import Manifest, Parameters, ParameterSpec
from tests.protocol.generated import MANIFEST, PARAMETERS, a


def test_values_come_back_by_name_in_their_shapes() -> None:
    arrays = PARAMETERS.arrays()
    assert list(arrays) == ["features.weight", "scale", "nothing", "head.bias"]
    np.testing.assert_array_equal(arrays["features.weight"], [[0, 1, 2], [3, 4, 5]])
    assert (arrays["scale"].shape, float(arrays["scale"])) == ((), 0.1)
    assert arrays["nothing"].shape == (0, 4)


def test_there_is_one_buffer_per_dtype_sorted_by_name_and_little_endian() -> None:
    assert MANIFEST.dtypes == ("float32", "float64")
    assert MANIFEST.buffer_sizes == (4 * 11, 8)
    float32, float64 = (frame.tobytes() for frame in PARAMETERS.frames())
    assert float32 == np.array([0, 1, 2, 3, 4, 5, 0, -1, -2, -3, -4], "<f4").tobytes()
    assert float64 == np.array([0.1], "<f8").tobytes()


@given(a(Manifest))
def test_frames_of_any_manifest_can_be_read_back(manifest: Manifest) -> None:
    arrays = {
        spec.name: np.arange(spec.count, dtype=spec.dtype).reshape(spec.shape) for spec in manifest.parameters
    }
    read = Parameters.from_frames(manifest, Parameters.from_arrays(manifest, arrays).frames())
    for name, array in read.arrays().items():
        np.testing.assert_array_equal(array, arrays[name])


def test_reading_frames_copies_nothing() -> None:
    frames = [bytearray(frame) for frame in PARAMETERS.frames()]
    read = Parameters.from_frames(MANIFEST, [memoryview(frame) for frame in frames])
    frames[1][:] = np.array([2.5]).tobytes()
    assert float(read.arrays()["scale"]) == 2.5


@pytest.mark.parametrize("frames", [[], [bytes(44)], [bytes(44), bytes(9)], [bytes(8), bytes(44)]])
def test_frames_of_another_number_or_size_are_no_parameters(frames: list[bytes]) -> None:
    with pytest.raises(ValueError, match="but the manifest says"):
        Parameters.from_frames(MANIFEST, frames)


def test_the_digest_of_a_manifest_is_that_of_its_canonical_json() -> None:
    manifest = Manifest(parameters=(ParameterSpec(name="w", shape=(2, 3)),))
    canonical = b'{"parameters":[{"dtype":"float32","name":"w","shape":[2,3]}]}'
    assert manifest.digest == hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        ParameterSpec(name="w", shape=(3, 2)),
        ParameterSpec(name="v", shape=(2, 3)),
        ParameterSpec(name="w", shape=(2, 3), dtype="float64"),
    ],
)
def test_another_name_shape_or_dtype_is_another_manifest(changed: ParameterSpec) -> None:
    original = Manifest(parameters=(ParameterSpec(name="w", shape=(2, 3)),))
    assert Manifest(parameters=(changed,)).digest != original.digest


def test_the_model_digest_depends_on_every_value() -> None:
    def digest_of(arrays: dict[str, NDArray[Any]]) -> str:
        return Parameters.from_arrays(MANIFEST, arrays).digest()

    arrays = PARAMETERS.arrays()
    assert digest_of(arrays) == PARAMETERS.digest()
    for name in ("features.weight", "scale", "head.bias"):
        assert digest_of({**arrays, name: arrays[name] + 1}) != PARAMETERS.digest()


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ((ParameterSpec(name="w", shape=()), ParameterSpec(name="w", shape=(2,))), "the same name"),
        ((ParameterSpec(name="w", shape=(2**30, 2**30)),), "more than 8589934592 parameters"),
    ],
)
def test_impossible_manifests_are_refused(parameters: tuple[ParameterSpec, ...], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Manifest(parameters=parameters)


def test_a_manifest_of_nothing_has_parameters_without_buffers() -> None:
    """Where nothing is shared."""
    empty = Manifest(parameters=())
    nothing = Parameters.from_arrays(empty, {})
    assert (empty.dtypes, empty.buffer_sizes, nothing.frames(), nothing.arrays()) == ((), (), [], {})
    assert Parameters.from_frames(empty, []) == nothing
    assert nothing.digest() == hashlib.sha256(empty.digest.encode()).hexdigest()
    with pytest.raises(ValueError, match="but the manifest says"):
        Parameters.from_frames(empty, [b""])
