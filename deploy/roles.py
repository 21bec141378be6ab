"""``roles.json``: who was what in a run, written by whoever started all of them."""

import json
from collections.abc import Mapping
from pathlib import Path

from protocol.files import write_whole


def write_roles(run_dir: Path, roles: Mapping[str, str]) -> None:
    """Roles by name."""
    write_whole(run_dir / "roles.json", (json.dumps(roles, indent=2) + "\n").encode())
