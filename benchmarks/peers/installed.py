"""Which of them are installed here, and in which versions."""

import subprocess
from pathlib import Path

from benchmarks.wire.measured import REPOSITORY

FLOWER = REPOSITORY / "build/peers/flwr/bin/python"
BLAZEFL = REPOSITORY / "build/peers/blazefl/bin/python"


def versions() -> str:
    """Of each, and of what it works with."""
    flower = _of("Flower", FLOWER, ("flwr", "grpcio", "protobuf", "ray", "numpy"))
    return f"{flower}; {_of('BlazeFL', BLAZEFL, ('blazefl', 'torch'))}"


def _of(peer: str, python: Path, packages: tuple[str, ...]) -> str:
    if not python.exists():
        return f"{peer} is not installed here"
    code = (
        "import platform; from importlib.metadata import version; "
        f"print(*map(version, {packages}), platform.python_version())"
    )
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    found = zip((*packages, "Python"), done.stdout.split(), strict=True)
    return f"{peer}: {', '.join(f'{name} {version}' for name, version in found)}"
