"""A data set of one's own: one class, here or in another installed package."""

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from participant.data import Dataset, load_dataset
from participant.data.source import Source, Survey, default_data_dir


class Blank(Source):
    """Two classes of blank paper."""

    def survey(self) -> Survey:
        return Survey(str(self.folder), 2, 4)

    def load(self) -> Dataset:
        return Dataset(str(self.folder), ("a", "b"), np.zeros((4, 1, 28, 28), np.uint8), np.array([0, 2, 4]))


def test_another_package_adds_a_data_set_through_an_entry_point(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    point = EntryPoint("blank", f"{__name__}:Blank", "fedmeta.datasets")
    monkeypatch.setattr(
        "protocol.registry.entry_points", lambda group: [point] if group == point.group else []
    )
    monkeypatch.setattr(
        "participant.data.source.datasets._entries", {}
    )  # the look-up is kept: not for others
    assert load_dataset("blank", tmp_path).classes == ("a", "b")
    assert load_dataset("blank", tmp_path).name == str(tmp_path / "blank")


def test_without_a_data_folder_the_users_cache_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: Path("/caches") / name)
    assert default_data_dir() == Path("/caches/fedmeta/data")
