import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from participant.device import choose_device, claim_place, out_of_memory, prepare_device
from protocol.errors import UsageProblem


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    """Have torch see these devices; a device is chosen by name, so none needs to be there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_takes_cuda_before_mps_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    assert choose_device("auto", "ann") == torch.device("cpu")
    machine(monkeypatch, mps=True)
    assert choose_device("auto", "ann") == torch.device("mps")
    machine(monkeypatch, cuda=1, mps=True)
    assert choose_device("auto", "ann") == torch.device("cuda:0")


def test_participants_of_one_host_are_spread_over_its_devices_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, cuda=4)
    names = [f"participant-{number}" for number in range(64)]
    chosen = [choose_device("auto", name) for name in names]
    assert {device.index for device in chosen} == {0, 1, 2, 3}
    assert chosen == [choose_device("cuda", name) for name in names]


TAKE_PLACE = """
import sys
from pathlib import Path
from participant.device import claim_place
print(claim_place(tuple(sys.argv[3:]), int(sys.argv[2]), Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@contextmanager
def takes_place(folder: Path, *devices: str, preferred: int = 0) -> Iterator[int]:
    """A process that has taken a place, until it is killed; on which device."""
    command = [sys.executable, "-c", TAKE_PLACE, str(folder), str(preferred), *devices]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def test_each_participant_takes_the_device_with_the_fewest_others_and_its_end_makes_room(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "places"
    with ExitStack() as stack:
        first, second = (stack.enter_context(takes_place(folder, "one", "two")) for _ in range(2))
        assert (first, second) == (0, 1)
        with takes_place(folder, "one", "two", preferred=1) as third:
            assert third == 1  # both have one: it takes the one that it prefers
        with takes_place(folder, "one", "two") as after_it_was_killed:
            assert after_it_was_killed == 0
        with takes_place(folder, "two") as sees_one_of_them, takes_place(folder, "one", "two") as fifth:
            assert (sees_one_of_them, fifth) == (0, 0)


def test_a_participant_that_joins_again_keeps_its_place(tmp_path: Path) -> None:
    assert claim_place(("one", "two"), 0, tmp_path) == claim_place(("one", "two"), 0, tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["one.0"]


def test_where_places_cannot_be_taken_names_spread_the_participants(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert claim_place(("one", "two"), 1, tmp_path / "file") == 1


def test_on_cuda_auto_looks_at_who_else_is_there_and_a_named_device_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(monkeypatch, cuda=2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"id{index}"))
    monkeypatch.setattr("participant.device.places_folder", lambda: tmp_path)
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        with takes_place(tmp_path, "id0"):
            assert prepare_device("auto", "ann") == prepare_device("auto", "ann") == "cuda:1"
        assert prepare_device("cuda:0", "ann") == "cuda:0"
        with takes_place(tmp_path, "id0", "id1", preferred=1) as other:
            assert other == 1  # were the named one not counted, it would be the emptier
    finally:
        torch.use_deterministic_algorithms(deterministic)


def test_a_device_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda=2)
    assert choose_device("cuda:1", "ann") == torch.device("cuda:1")
    assert choose_device("cpu", "ann") == torch.device("cpu")


@pytest.mark.parametrize("wanted", ["cuda:2", "mps"])
def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    machine(monkeypatch, cuda=2)
    with pytest.raises(UsageProblem, match="no such device here; there are: cpu, cuda:0, cuda:1"):
        choose_device(wanted, "ann")


def test_cuda_without_any_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    with pytest.raises(UsageProblem, match=r"there are: cpu$"):
        choose_device("cuda", "ann")


def test_words_that_name_no_device_are_an_error() -> None:
    with pytest.raises(UsageProblem, match="write auto, cpu"):
        choose_device("gpu", "ann")


def test_the_cpu_computes_in_one_thread_and_the_same_every_time() -> None:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        assert prepare_device("cpu", "ann") == "cpu"
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


FAULTS = """
import resource, torch
from participant.device import prepare_device

def faults():  # of pages, while a tensor as large as a layer's output is made and freed twenty times
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(2**21)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
prepare_device("cpu", "ann")
faults()
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's")
def test_memory_that_was_freed_is_used_again_without_asking_the_system_for_each_page() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 10


def test_memory_that_ran_out_is_recognised() -> None:
    assert out_of_memory(MemoryError())
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(RuntimeError) as huge:
        torch.empty(2**58, dtype=torch.float32)
    assert out_of_memory(huge.value)
    assert out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"))
    assert out_of_memory(RuntimeError("CUDA error: out of memory"))  # no room for the driver's own context
    assert not out_of_memory(RuntimeError("shapes differ"))
