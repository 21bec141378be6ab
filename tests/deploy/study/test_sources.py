"""Which code made a run is on record with it."""

from pathlib import Path

from deploy.study.sources import NOT_ON_RECORD, codes_of, current, digest_of, distinct, note_code


def package(folder: Path, name: str = "protocol", **sources: str) -> Path:
    for module, text in sources.items():
        path = folder / name / f"{module.replace('_', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / name


def test_a_digest_is_of_the_sources_and_where_they_are(tmp_path: Path) -> None:
    one = digest_of([package(tmp_path / "one", a="x", sub_b="y")])
    same = package(tmp_path / "same", a="x", sub_b="y")
    (same / "a.pyc").write_text("compiled")
    assert digest_of([same]) == one
    others = [
        package(tmp_path / "2", a="x", sub_b="z"),
        package(tmp_path / "3", a="x", b="y"),
        package(tmp_path / "4", a="x", sub_b="y", c=""),
        package(tmp_path / "5", "participant", a="x", sub_b="y"),
    ]
    assert len({one, *(digest_of([other]) for other in others)}) == 5


def test_a_run_has_the_code_that_began_it_and_any_that_went_on_with_it(tmp_path: Path) -> None:
    assert codes_of(tmp_path) == (NOT_ON_RECORD,)
    note_code(tmp_path, current())
    note_code(tmp_path, current())
    assert codes_of(tmp_path) == (current()[:12],)
    (tmp_path / "code.json").write_text(f'{{"sha256": ["{"a" * 64}"]}}')
    note_code(tmp_path, current())
    assert codes_of(tmp_path) == ("a" * 12, current()[:12])


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"sha256": 3}'):
        (tmp_path / "code.json").write_text(text)
        assert codes_of(tmp_path) == (NOT_ON_RECORD,)


def test_of_several_runs_each_code_counts_once() -> None:
    assert distinct([("b",), ("a", "b"), ("a",)]) == ("b", "a")
