"""The journal's file: lines with the time at which their events were given, in the background."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coordinator.journal import RoundStarted, RunInterrupted
from coordinator.lines import MOST_UNWRITTEN, Journal
from protocol.errors import RunFailed

RUN = "0123456789abcdef"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.jsonl", lambda: None, console=False, run=RUN)) as journal:
        yield journal


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_a_line_has_its_event_s_fields_and_the_time_at_which_it_was_given(
    journal: Journal, tmp_path: Path
) -> None:
    before = datetime.now(UTC)
    journal.write(RoundStarted(3, 1, ["ann", "bob"]))
    after = datetime.now(UTC)
    journal.write(RunInterrupted(3, "SIGINT"))
    journal.flush()
    started, interrupted = lines(tmp_path)
    assert before <= datetime.fromisoformat(str(started.pop("timestamp"))) <= after
    assert started == {
        "level": "info",
        "event": "round_started",
        "run": RUN,
        "round": 3,
        "attempt": 1,
        "selected": ["ann", "bob"],
    }
    assert (interrupted["level"], interrupted["reason"]) == ("warning", "SIGINT")


def test_lines_are_written_when_there_is_time_or_many_wait(journal: Journal, tmp_path: Path) -> None:
    for number in range(MOST_UNWRITTEN):
        journal.write(RoundStarted(number, 1, []))
    journal.written()
    assert lines(tmp_path) == []
    journal.write(RoundStarted(MOST_UNWRITTEN, 1, []))
    journal.written()
    assert [line["round"] for line in lines(tmp_path)] == list(range(MOST_UNWRITTEN + 1))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_that_a_line_cannot_be_written_is_said() -> None:
    told = threading.Event()
    with closing(Journal(Path("/dev/full"), told.set, console=False, run=RUN)) as journal:
        journal.write(RoundStarted(1, 1, []))
        journal.hand_over()
        assert told.wait(60)
        for again in (journal.hand_over, journal.flush):
            with pytest.raises(RunFailed, match="make room or mend the disk"):
                again()


def test_nothing_waits_for_the_disk_but_flush(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, append = threading.Event(), os.write

    def slow(descriptor: int, data: bytes) -> int:
        assert free.wait(60)
        return append(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    journal.write(RoundStarted(1, 1, []))
    journal.hand_over()
    assert lines(tmp_path) == []
    free.set()
    journal.flush()
    assert len(lines(tmp_path)) == 1


def test_what_cannot_be_said_does_not_take_along_what_was_said_before(
    journal: Journal, tmp_path: Path
) -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise ValueError("no words")

    journal.write(RoundStarted(1, 1, []))
    journal.write(RunInterrupted(1, Unspeakable()))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no words"):
        journal.hand_over()
    journal.flush()
    assert [line["event"] for line in lines(tmp_path)] == ["round_started"]
