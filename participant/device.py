"""Which device a participant computes on, and how torch is set up there so that rounds can be repeated."""

import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from participant.interrupts import held_back
from protocol.errors import UsageProblem
from protocol.files import try_lock
from protocol.seeds import derive_seed

if TYPE_CHECKING:
    import torch

DEVICE_FORM = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")
# Wanted by cuBLAS for sums in a fixed order: docs.nvidia.com/cuda/cublas, "results reproducibility".
CUBLAS_WORKSPACE = ":4096:8"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
MMAP_THRESHOLD = 2**25  # the most that glibc takes; setting one alone would leave the other at 128 KiB
TRIM_THRESHOLD = 2**30
MOST_PLACES = 1000  # more participants on one device are not counted any more
# How the libraries below torch say it; most of them as a plain RuntimeError.
NO_MEMORY = re.compile(r"out of memory|DefaultCPUAllocator|_ALLOC_FAILED|[Cc]annot allocate memory")


def prepare_device(wanted: str, name: str) -> str:
    """Choose the device and set torch up for it. Call it in the thread that will compute, before anything
    else is done on a device: both settings of threads and of cuBLAS are taken up only there and then.

    Raises :class:`UsageProblem` when there is no such device.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    import torch

    device = choose_device(wanted, name)
    if device.type == "cuda":
        device = _take_place(device, any_device=wanted in ("auto", "cuda"))
    # use_deterministic_algorithms(True) is the same, but imports torch's compiler: 1.5 s for nothing.
    torch.set_deterministic_debug_mode("error")
    # Else every new tensor is filled first, in case that something reads it before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False  # it times kernels, and the winner differs from start to start
    if device.type == "cpu":
        # Sums in a fixed order, and participants that share a machine do not fight for its cores.
        torch.set_num_threads(1)
        keep_freed_memory()
    return str(device)


def keep_freed_memory() -> None:
    """Tell glibc, where there is one, to keep what is freed for the next operation. Else it gives the system
    back each large tensor at once, and the system clears each page of the next one: that took 40 % of a
    forward pass of 50 images of 28x28. What was once needed stays with the process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for option, value in ((M_MMAP_THRESHOLD, MMAP_THRESHOLD), (M_TRIM_THRESHOLD, TRIM_THRESHOLD)):
            mallopt(option, value)


def choose_device(wanted: str, name: str) -> "torch.device":
    """``auto``: a CUDA device if there is one (by ``name``; :func:`prepare_device` looks at who else is
    there), else MPS, else the CPU. ``cuda`` is the CUDA device that ``auto`` would take.

    Raises :class:`UsageProblem` that names the devices there are.
    """
    with held_back():
        import torch

    if DEVICE_FORM.fullmatch(wanted) is None:
        raise UsageProblem(f"--device {wanted}: write auto, cpu, mps, cuda or cuda:N, for instance cuda:0")
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    by_name = f"cuda:{derive_seed(0, 'device', name) % cuda}" if cuda else None
    there = ["cpu", *(["mps"] if mps else []), *(f"cuda:{index}" for index in range(cuda))]
    if wanted == "auto":
        chosen = by_name or ("mps" if mps else "cpu")
    elif wanted == "cuda":
        chosen = by_name or wanted
    else:
        chosen = wanted
    if chosen not in there:
        raise UsageProblem(f"--device {wanted}: no such device here; there are: {', '.join(there)}")
    return torch.device(chosen)


def _take_place(device: "torch.device", *, any_device: bool) -> "torch.device":
    """The device, or with ``any_device`` the one with the fewest participants of this user."""
    import torch

    # Not their numbers, which depend on what each process is shown of them (CUDA_VISIBLE_DEVICES).
    ids = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
    preferred = device.index or 0
    if not any_device:
        claim_place((ids[preferred],), 0, places_folder())
        return device
    return torch.device("cuda", claim_place(tuple(ids), preferred, places_folder()))


def places_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"fedmeta-devices-{os.getuid()}"


@cache  # a participant that joins again keeps its place
def claim_place(devices: Sequence[str], preferred: int, folder: Path) -> int:
    """Take a place on a device until this process ends, and say which device, by its position.

    Places are locked files, which the system frees whatever becomes of their holder. Everybody looks at the
    first places of all devices before the second ones, so that no device has two participants more than
    another, however many start at once. Among equals it is the ``preferred`` one; also where there can be no
    such files.
    """
    order = [(preferred + step) % len(devices) for step in range(len(devices))]
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            return preferred
        for place in range(MOST_PLACES):
            for index in order:
                if try_lock(folder / f"{devices[index]}.{place}", 0o600) is not None:
                    return index
    except OSError:
        pass  # a full or read-only file system: sharing less evenly is better than not taking part
    return preferred


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device or the machine has no memory left."""
    torch = sys.modules.get("torch")  # where it is not loaded, it has raised nothing
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and NO_MEMORY.search(str(error)) is not None


def more_memory(device: str) -> str:
    """What would help where a device, or the machine, has no memory left."""
    fewer, smaller = "fewer participants", "smaller batches (learning.inner_batch)"
    if device.startswith("cuda"):
        return f"use {fewer} on that GPU, another one (--device cuda:N), --device cpu, or {smaller}"
    if device == "mps":
        return f"use {fewer} on this machine, --device cpu, or {smaller}"
    return f"use {fewer} on this machine, a machine with more memory, or {smaller}"
