"""What is installed, and what a checkout promises."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from protocol.scenario import load_scenario
from protocol.scenario_files import find_scenario

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def locked() -> dict[str, str]:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line[0] != "#"]
    return dict(line.split("==") for line in lines)


def test_the_lock_pins_every_requirement_at_a_version_that_is_allowed(locked: dict[str, str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(locked[requirement.name]), text


def test_the_tests_run_with_what_is_locked(locked: dict[str, str]) -> None:
    for name in ("torch", "numpy", "pyzmq", "pydantic", "click"):
        assert version(name).split("+")[0] == locked[name]


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "scenarios").glob("*.toml")), ids=lambda p: p.stem)
def test_a_scenario_of_the_project_is_found_by_name_and_is_valid(path: Path) -> None:
    assert find_scenario(path.stem) == path
    load_scenario(path)


def test_only_the_continuous_integration_names_the_folder_beside_the_checkout() -> None:
    named = [
        path
        for pattern in ("Makefile", "README.md", "pyproject.toml", "*/**/*.py", "*/**/*.toml", "docs/*.md")
        for path in ROOT.glob(pattern)
        if ".venv" not in path.parts and re.search(r"\.\./shared\b|\bshared/data\b", path.read_text())
    ]
    assert named in ([], [Path(__file__)])
