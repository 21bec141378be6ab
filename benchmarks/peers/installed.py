"""Which of them are installed here, and in which versions."""

import subprocess
from pathlib import Path

from benchmarks.wire.measured import REPOSITORY

FLOWER = REPOSITORY / "build/peers/flwr/bin/python"
BLAZEFL = REPOSITORY / "build/peers/blazefl/bin/python"


def installed(python: Path) -> bool:
    """Whole: the last thing that ``make`` does there is to say so."""
    return (python.parents[1] / ".installed").exists()


def versions() -> str:
    """Of each, and of what it works with."""
    flower = _of("Flower", FLOWER, ("flwr", "grpcio", "protobuf", "ray", "numpy"))
    return f"{flower}; {_of('BlazeFL', BLAZEFL, ('blazefl', 'torch'))}"


def _of(peer: str, python: Path, packages: tuple[str, ...]) -> str:
    if not installed(python):
        return f"{peer} is not installed here"
    code = (
        "import sys, platform; from importlib.metadata import version; "
        f"print(*map(version, {packages}), platform.python_version()); "
        "print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    )
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    of_each, locked = done.stdout.splitlines()
    found = zip((*packages, "Python"), of_each.split(), strict=True)
    free = "" if locked == "True" else " without its global lock"
    return f"{peer}: {', '.join(f'{name} {version}' for name, version in found)}{free}"
