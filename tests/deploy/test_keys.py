from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.keys import keys
from protocol import key_files
from protocol.keys import KeyPair, is_public


def test_a_file_whose_path_has_the_form_of_a_key_is_allowed_by_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ann = KeyPair.new("ann")
    folder = Path("k" * 32)
    key_files.write_pair(folder, ann)
    assert is_public(str(folder / "ann.pub"))
    run = CliRunner().invoke(keys, ["allow", "ann", str(folder / "ann.pub"), "--keys", "coordinators"])
    assert run.exit_code == 0, run.output
    assert key_files.read_allowed(Path("coordinators")).names == {ann.public: "ann"}
