"""What was measured goes into one file, and comes out as a study that says the same and goes on."""

import json
import tarfile
from pathlib import Path

from deploy.study.archive import pack
from deploy.study.federation import has_model
from deploy.study.results import write_results
from deploy.study.study import Study
from tests.deploy.study.journals import as_the_paper_says, write_study


def unpacked(archive: Path, folder: Path) -> Study:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (study,) = folder.iterdir()
    return Study.open(study)


def test_what_is_unpacked_is_the_same_study(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E1", "E2", "E7"], as_the_paper_says, (1, 2))
    run_dir = study.directory.run_dir("E1-s1")
    (run_dir / "code.json").write_text(json.dumps({"sha256": ["1" * 64]}))
    pack(study, "strokes", tmp_path / "strokes.tar.xz")
    again = unpacked(tmp_path / "strokes.tar.xz", tmp_path / "there")
    assert again.ledger == study.ledger
    for name in study.ledger.experiments:
        one, other = study.result(name), again.result(name)
        assert other.measured.rows == one.measured.rows
        assert other.findings == one.findings
        assert (other.missing, other.codes) == (one.missing, one.codes)
    assert has_model(run_dir)
    assert not has_model(again.directory.run_dir("E1-s1"))


def test_rounds_and_runs_that_are_not_complete_stay_out(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E2"], as_the_paper_says, (1,))
    apart = study.directory.run_dir("E2-apart-s1") / "journal.jsonl"
    start = study.directory.run_dir("pretrain-linear-s1") / "checkpoints/round-000300.safetensors"
    apart.write_text(apart.read_text().replace("somewhere", str(start)) + '{"event": "evaluated", "ro')
    assert "round_completed" in apart.read_text()
    journal = study.directory.run_dir("E2-holders-s1") / "journal.jsonl"
    journal.write_text(journal.read_text().replace("run_completed", "run_failed"))
    pack(study, "strokes", tmp_path / "strokes.tar.xz")
    again = unpacked(tmp_path / "strokes.tar.xz", tmp_path / "there")
    assert not again.directory.run_dir("E2-holders-s1").exists()
    kept = (again.directory.run_dir("E2-apart-s1") / "journal.jsonl").read_text()
    assert "round_completed" not in kept
    assert '"started_from": "pretrain-linear-s1/checkpoints/round-000300.safetensors"' in kept
    assert kept.count('"event": "evaluated"') == sum(
        row.arm.run == "E2-apart-s1" for row in study.result("E2").measured.rows
    )


def test_the_same_study_is_the_same_file(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", ["E1"], as_the_paper_says, (1,))
    pack(study, "strokes", tmp_path / "one.tar.xz")
    write_results([study], tmp_path / "docs" / "RESULTS.md")
    packed = (tmp_path / "docs" / "measured" / "strokes-quick.tar.xz").read_bytes()
    pack(study, "strokes-quick", tmp_path / "other.tar.xz")
    assert packed == (tmp_path / "other.tar.xz").read_bytes()
    assert packed != (tmp_path / "one.tar.xz").read_bytes()
