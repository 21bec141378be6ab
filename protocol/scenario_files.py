"""Scenario files by path, or by the name of one that comes with the project."""

from importlib.resources import files
from pathlib import Path

from protocol.errors import UsageProblem

PROJECT_SCENARIOS = Path(str(files("deploy"))) / "scenarios"


def scenario_names() -> list[str]:
    """Names of the project's own scenarios."""
    return sorted(path.stem for path in PROJECT_SCENARIOS.glob("*.toml"))


def find_scenario(name_or_path: str) -> Path:
    """The file: a path that exists, or ``deploy/scenarios/NAME.toml``.

    Raises :class:`UsageProblem` that lists the names there are.
    """
    for path in (Path(name_or_path), PROJECT_SCENARIOS / f"{name_or_path}.toml"):
        if path.is_file():
            return path
    raise UsageProblem(
        f"{name_or_path}: no such scenario file, and none of the project's is named so; "
        f"there are: {', '.join(scenario_names()) or 'none'}"
    )
