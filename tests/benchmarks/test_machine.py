"""Of which code a measurement is."""

import subprocess
from pathlib import Path

import pytest

from benchmarks import machine


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(machine, "REPOSITORY", tmp_path)
    for name in ("code.py", "docs/page.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("as it was\n")
    who = ("-c", "user.name=A", "-c", "user.email=a@localhost")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "All")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_code_that_is_not_the_commit_s_is_dirty(checkout: Path) -> None:
    commit = machine.described()
    assert len(commit) == 12
    (checkout / "code.py").write_text("changed\n")
    assert machine.described() == f"{commit}-dirty"


def test_the_page_that_a_measurement_writes_is_no_code(checkout: Path) -> None:
    commit = machine.described()
    (checkout / "docs" / "page.md").write_text("new figures\n")
    (checkout / "build").mkdir()
    (checkout / "build" / "left").write_text("")
    assert machine.described() == commit


def test_outside_of_a_checkout_it_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "REPOSITORY", tmp_path)
    assert machine.described() == "unknown"
