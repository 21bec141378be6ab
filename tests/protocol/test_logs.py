import errno
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocol.errors import RunFailed
from protocol.logs import open_log
from protocol.messages import Interval

INTERVAL = Interval(mean=0.5, ci95=0.1, episodes=3)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_event_is_a_line_of_json_that_begins_with_when_how_grave_and_what(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    open_log(path, console=False, run="0123abcd").info("round_started", round=3, selected=("ann", "bob"))
    (line,) = lines(path)
    assert list(line) == ["timestamp", "level", "event", "run", "round", "selected"]
    assert {**line, "timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "event": "round_started",
        "run": "0123abcd",
        "round": 3,
        "selected": ["ann", "bob"],
    }
    when = datetime.fromisoformat(str(line["timestamp"]))
    assert when.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)


def test_levels_are_named(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log.jsonl", console=False)
    log.warning("round_retried")
    log.error("run_failed")
    log.debug("too_fine_for_the_log")
    assert [line["level"] for line in lines(tmp_path / "log.jsonl")] == ["warning", "error"]


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    open_log(path, console=False).info("run_started")
    open_log(path, console=False).info("run_resumed")
    assert [line["event"] for line in lines(path)] == ["run_started", "run_resumed"]


def test_a_line_torn_by_a_kill_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"event": "run_started"}\n{"event": "round_sta')
    open_log(path, console=False).info("run_resumed")
    first, torn, resumed = path.read_text().splitlines()
    assert json.loads(first) == {"event": "run_started"}
    assert torn == '{"event": "round_sta'
    assert json.loads(resumed)["event"] == "run_resumed"


def test_a_line_that_a_full_disk_cut_off_does_not_swallow_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    log = open_log(path, console=False)
    room, write = [10], os.write

    def full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunFailed, match="make room"):
        log.info("round_started", round=3)
    monkeypatch.undo()
    log.info("round_started", round=3)
    cut, whole = path.read_text().splitlines()
    assert cut == '{"timestam'
    assert json.loads(whole)["round"] == 3


def test_models_become_objects_and_paths_text(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    open_log(path, console=False).info("evaluated", main_accuracy=INTERVAL, names={"b", "a"}, file=Path("x"))
    (line,) = lines(path)
    assert line["main_accuracy"] == {"mean": 0.5, "ci95": 0.1, "episodes": 3}
    assert (line["names"], line["file"]) == (["a", "b"], "x")


def test_what_json_lacks_becomes_null(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    open_log(path, console=False).info(
        "trained", loss=float("nan"), norms=[1.0, float("inf")], accuracy=INTERVAL
    )
    (line,) = lines(path)
    assert (line["loss"], line["norms"]) == (None, [1.0, None])
    assert line["accuracy"] == {"mean": 0.5, "ci95": 0.1, "episodes": 3}


def test_a_line_stays_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    open_log(path, console=False).info("update_rejected", detail="two\nlines\r and ünïcode")
    assert path.read_text().count("\n") == 1
    assert lines(path)[0]["detail"] == "two\nlines\r and ünïcode"


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    open_log(tmp_path / "participants" / "ann.jsonl", console=False).info("joined")
    assert len(lines(tmp_path / "participants" / "ann.jsonl")) == 1


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "journal.jsonl"
    with pytest.raises(RunFailed) as caught:
        open_log(path, console=False)
    assert (
        str(caught.value)
        == f"{path}: cannot open the log: Not a directory; name another folder, or make it yours"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_fails_the_run_with_the_file_s_name() -> None:
    log = open_log(Path("/dev/full"), console=False)
    with pytest.raises(RunFailed) as caught:
        log.info("round_started")
    assert (
        str(caught.value)
        == "/dev/full: cannot write the log: No space left on device; make room or mend the disk"
    )


# The console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown_on(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    open_log(None, console=True, run="0123abcd").info("round_started", round=3)
    return stream.getvalue()


def test_people_read_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = shown_on(io.StringIO(), monkeypatch)
    assert shown.endswith("round_started run=0123abcd round=3\n")
    assert "\x1b" not in shown


def test_a_terminal_gets_colours_unless_no_color_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in shown_on(Terminal(), monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown_on(Terminal(), monkeypatch)


@pytest.mark.parametrize("text", ["\x1b[2Jgone\nfake line", "\x1b[2J", "\x9b2J", "a\u2028b", "\n"])
def test_what_a_stranger_wrote_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    open_log(None, console=True).info("participant_refused", detail=text)
    assert stream.getvalue().removesuffix("\n").isprintable()


def test_a_reader_that_has_stopped_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe, os.fdopen(reading) as reader:
        os.set_blocking(reading, False)
        monkeypatch.setattr(sys, "stderr", pipe)
        log = open_log(tmp_path / "log.jsonl", console=True)
        for number in range(100):
            log.info("round_started", number=number, selected=["participant"] * 500)
        full = reader.read()
        log.info("round_completed")
        rest = reader.read()
    assert len(lines(tmp_path / "log.jsonl")) == 101
    assert 0 < full.count("\n") < 100
    left_out, last = rest.splitlines()
    assert left_out == f"({100 - full.count(chr(10))} lines were left out here)"
    assert "round_completed" in last


def test_a_closed_terminal_does_not_end_a_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        log = open_log(tmp_path / "log.jsonl", console=True)
        log.info("one")
        log.info("two")
        monkeypatch.undo()
        with pytest.raises(BrokenPipeError):
            pipe.close()
    assert len(lines(tmp_path / "log.jsonl")) == 2
