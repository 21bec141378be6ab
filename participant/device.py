"""Which device a participant computes on, and how torch is set up there so that rounds can be repeated."""

import ctypes
import os
import re
import sys
from typing import TYPE_CHECKING

from participant.interrupts import held_back
from protocol.errors import UsageProblem
from protocol.seeds import derive_seed

if TYPE_CHECKING:
    import torch

DEVICE_FORM = re.compile(r"auto|cpu|mps|cuda(:[0-9]{1,3})?")
# Wanted by cuBLAS for sums in a fixed order: docs.nvidia.com/cuda/cublas, "results reproducibility".
CUBLAS_WORKSPACE = ":4096:8"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
MMAP_THRESHOLD = 2**25  # the most that glibc takes; setting one alone would leave the other at 128 KiB
TRIM_THRESHOLD = 2**30


def prepare_device(wanted: str, name: str) -> str:
    """Choose the device and set torch up for it. Call it in the thread that will compute, before anything
    else is done on a device: both settings of threads and of cuBLAS are taken up only there and then.

    Raises :class:`UsageProblem` when there is no such device.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    import torch

    device = choose_device(wanted, name)
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
    """``auto``: a CUDA device if there is one (participants of one host are spread over them by ``name``),
    else MPS, else the CPU. ``cuda`` is the CUDA device that ``auto`` would take.

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


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device or the machine has no memory left."""
    torch = sys.modules.get("torch")  # where it is not loaded, it has raised nothing
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    # On the CPU torch raises a plain RuntimeError.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
