"""Measurements that are made by a program of their own, perhaps in another environment."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.wire.measured import REPOSITORY


class SideFailed(Exception):
    """A program did not measure anything; its last words."""


def told_by(python: Path, module: str, *arguments: str) -> dict[str, Any]:
    """What ``module`` printed last, a line of JSON. Raises :class:`SideFailed`."""
    command = [str(python), "-m", module, *arguments]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "FLWR_TELEMETRY_ENABLED": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        },
    )
    if done.returncode:
        raise SideFailed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
