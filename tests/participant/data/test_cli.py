import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from participant.data.cli import data
from protocol.errors import UsageProblem
from tests.participant.data.conftest import MakeZip


def call(*arguments: str | int | Path) -> Result:
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


def test_list_says_what_is_there_and_what_is_not(make_zip: MakeZip, tmp_path: Path) -> None:
    path = make_zip()
    found = {one["name"]: one for one in json.loads(call("list", "--data-dir", tmp_path, "--json").output)}
    assert found["strokes"] == {
        "name": "strokes",
        "found": True,
        "where": "drawn by the program",
        "classes": 200,
        "images": 4000,
    }
    assert (found["omniglot"]["classes"], found["omniglot"]["images"]) == (3, 9)
    assert found["omniglot"]["where"] == str(path)
    assert found["image_folder"]["found"] is False
    assert "put a directory of images there" in found["image_folder"]["problem"]


def test_list_is_a_table_for_people(make_zip: MakeZip, tmp_path: Path) -> None:
    path = make_zip()
    lines = call("list", "--data-dir", tmp_path).output.splitlines()
    assert lines[0].split() == ["NAME", "CLASSES", "IMAGES", "WHERE"]
    assert ["omniglot", "3", "9", str(path)] in [line.split() for line in lines]
    assert len(lines) == 5


def test_the_folder_can_come_from_the_environment(
    make_zip: MakeZip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip()
    monkeypatch.setenv("FEDMETA_DATA_DIR", str(tmp_path))
    assert str(path) in call("list").output


def test_show_draws_a_sheet_and_prints_its_path(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip(classes=9)
    output = ("--output", tmp_path / "sheet.png")
    result = call("show", "omniglot", "--data-dir", tmp_path, "--classes", 4, "--drawings", 3, *output)
    assert result.output.strip() == str(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert 3 * 56 < sheet.width < 4 * 56
        assert 4 * 56 < sheet.height < 6 * 56


def test_show_works_in_colour_and_with_names_in_any_script(tmp_path: Path) -> None:
    folder = tmp_path / "image_folder" / "猫"
    folder.mkdir(parents=True)
    for i in range(2):
        Image.new("RGB", (8, 8), (255, 0, 0)).save(folder / f"{i}.png")
    assert call("show", "image_folder", "--data-dir", tmp_path, "--output", tmp_path / "s.png").exit_code == 0


def test_a_sheet_that_cannot_be_written_is_a_usage_problem(make_zip: MakeZip, tmp_path: Path) -> None:
    make_zip()
    output = ("--output", tmp_path / "nowhere" / "sheet.png")
    error = call("show", "omniglot", "--data-dir", tmp_path, *output).exception
    assert isinstance(error, UsageProblem)
    assert "--output names another file" in str(error)


def test_there_is_nothing_to_fetch_for_strokes() -> None:
    error = call("fetch", "strokes").exception
    assert isinstance(error, UsageProblem)
    assert str(error) == "strokes has nothing to download; these data sets have: omniglot"


def test_a_name_that_is_none_lists_those_that_are() -> None:
    assert "there are: image_folder, mini_imagenet, omniglot, strokes" in str(call("show", "mnist").exception)


def test_neither_torch_nor_pillow_is_imported_before_an_image_is_read() -> None:
    program = "import sys, participant.data.cli; print({'torch', 'PIL', 'rich'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert output.stdout.strip() == "set()"
