"""The journal's file: lines with the time at which their events were given, in the background."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coordinator.background import Background
from coordinator.journal import RoundStarted, RunInterrupted
from coordinator.lines import MOST_WAITING, Journal
from protocol.errors import RunFailed

RUN = "0123456789abcdef"


@pytest.fixture
def background() -> Iterator[Background]:
    with closing(Background(lambda: None)) as background:
        yield background


@pytest.fixture
def journal(tmp_path: Path, background: Background) -> Journal:
    return Journal(tmp_path / "journal.jsonl", background, console=False, run=RUN)


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


def test_lines_are_written_when_there_is_time_or_many_wait(
    journal: Journal, background: Background, tmp_path: Path
) -> None:
    for number in range(MOST_WAITING):
        journal.write(RoundStarted(number, 1, []))
    background.flush()
    assert lines(tmp_path) == []
    journal.write(RoundStarted(MOST_WAITING, 1, []))
    background.flush()
    assert [line["round"] for line in lines(tmp_path)] == list(range(MOST_WAITING + 1))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_that_a_line_cannot_be_written_is_said(background: Background) -> None:
    journal = Journal(Path("/dev/full"), background, console=False, run=RUN)
    journal.write(RoundStarted(1, 1, []))
    with pytest.raises(RunFailed, match="make room or mend the disk"):
        journal.flush()
    with pytest.raises(RunFailed, match="make room or mend the disk"):
        journal.hand_over()


def test_nothing_waits_for_the_disk_but_flush(
    journal: Journal, background: Background, tmp_path: Path
) -> None:
    free = threading.Event()
    background.submit(lambda: assert_set(free))
    journal.write(RoundStarted(1, 1, []))
    journal.hand_over()
    assert lines(tmp_path) == []
    free.set()
    journal.flush()
    assert len(lines(tmp_path)) == 1


def assert_set(event: threading.Event) -> None:
    assert event.wait(60)
