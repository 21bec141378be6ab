"""What is sent to a host: it starts, knows again and ends processes, and reads how far the run is."""

import base64
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.hosts.answers import Seen
from deploy.hosts.logs import unpack
from deploy.hosts.on_host import looking
from deploy.hosts.on_host import processes as on_host
from deploy.hosts.on_host.agent import MARK, look, pack, set_aside, watch
from deploy.hosts.on_host.files import journal_of, record_of
from deploy.hosts.on_host.looking import probe
from deploy.hosts.on_host.progress import Reader, progress
from deploy.hosts.remote import program


def ask(home: Path, do: str, **arguments: Any) -> Any:
    """As over SSH: a python that reads the program from its standard input, in somebody's home."""
    (home / "deploy").mkdir(exist_ok=True)  # must not be taken for our package
    request = json.dumps({"do": do, "dir": str(home / "lab"), **arguments})
    done = subprocess.run(
        [sys.executable, "-"], input=program(request), capture_output=True, cwd=home, check=True
    )
    answer = json.loads(done.stdout.decode().splitlines()[-1].removeprefix(MARK))
    return answer["problem"] if "problem" in answer else answer["answer"]


def journal(home: Path, *events: dict[str, Any]) -> None:
    journal_of(home).parent.mkdir(parents=True, exist_ok=True)
    with journal_of(home).open("a") as lines:
        for event in events:
            print(json.dumps({"timestamp": "2026-01-01T00:00:00Z", **event}), file=lines)


def write_record(home: Path, name: str, **known: Any) -> None:
    nothing = {"name": name, "pid": 0, "began": None, "since": 0, "errors": "/nowhere", "errors_from": 0}
    record_of(home, name).parent.mkdir(exist_ok=True)
    record_of(home, name).write_text(json.dumps({**nothing, **known}))


STARTED = {"event": "run_started", "run": "ab" * 8, "scenario": "tiny", "rounds": 9, "round": 0}


def test_a_process_that_could_not_go_on_leaves_its_last_words(tmp_path: Path) -> None:
    command = ["ann", ["participant", "start", "--role", "baker"], "participants/ann.stderr"]
    assert ask(tmp_path, "start", commands=[command]) == ["ann"]
    seen = ask(tmp_path, "watch", names=["ann"], ready=None, seconds=60)
    assert [(p["name"], p["alive"]) for p in seen["processes"]] == [("ann", False)]
    assert "baker" in seen["processes"][0]["last_words"]
    assert seen["processes"][0]["arguments"] == command[1]
    assert ask(tmp_path, "stop", names=None) == {"ended": [], "killed": [], "damaged": []}
    assert ask(tmp_path, "look")["processes"] == []


def test_a_number_that_is_somebody_elses_by_now_is_never_signalled(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        write_record(tmp_path, "ann", pid=other.pid, began="long ago")
        assert [entry["alive"] for entry in on_host.processes(tmp_path)] == [False]
        on_host.stop(tmp_path, None)
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("garbage", ["{", "[]", '{"name": "bob"}', '{"name": "bob", "pid": "x"}', "\udcff"])
def test_a_damaged_record_is_one_process_of_which_nothing_is_known_and_the_others_go_on(
    tmp_path: Path, garbage: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as ann:
        write_record(tmp_path, "ann", pid=ann.pid, began=on_host.began(ann.pid))
        for name in ("bob", "coordinator"):
            record_of(tmp_path, name).write_bytes(garbage.encode(errors="surrogateescape"))
        seen = look(tmp_path)
        assert [(p["name"], p["alive"]) for p in seen["processes"]] == [
            ("ann", True), ("bob", False), ("coordinator", False),
        ]  # fmt: skip
        assert Seen.model_validate(seen).processes[1].damaged == str(record_of(tmp_path, "bob"))
        assert probe(tmp_path, None, [])["damaged"] == [
            str(record_of(tmp_path, name)) for name in ("bob", "coordinator")
        ]
        done = on_host.stop(tmp_path, None)
        assert done["ended"] == ["ann"]
        assert done["damaged"] == [str(record_of(tmp_path, name)) for name in ("bob", "coordinator")]
        assert record_of(tmp_path, "bob").exists()


def test_who_does_not_end_when_asked_to_is_killed_with_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_host, "GRACE_S", 0.1)
    stubborn = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", stubborn],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        write_record(tmp_path, "ann", pid=process.pid, began=on_host.began(process.pid))
        assert on_host.stop(tmp_path, None) == {"ended": [], "killed": ["ann"], "damaged": []}
        assert process.wait() == -signal.SIGKILL


def test_only_what_the_last_coordinator_has_said_counts_as_joined(tmp_path: Path) -> None:
    assert progress(tmp_path)["status"] == "absent"
    ready = {"event": "participant_ready", "participant": "ann"}
    journal(tmp_path, STARTED, ready, {"event": "round_completed", "round": 3})
    write_record(tmp_path, "coordinator", journal_from=journal_of(tmp_path).stat().st_size)
    seen = progress(tmp_path)
    assert (seen["status"], seen["ready"], seen["round"]) == ("starting", [], 3)
    journal(tmp_path, {**STARTED, "event": "run_resumed", "round": 3}, ready)
    assert (progress(tmp_path)["status"], progress(tmp_path)["ready"]) == ("running", ["ann"])
    journal(tmp_path, {"event": "participant_lost", "participant": "ann"})
    with journal_of(tmp_path).open("a") as lines:
        lines.write('{"event": "run_comple')  # torn
    assert (progress(tmp_path)["status"], progress(tmp_path)["ready"]) == ("running", [])


def test_watching_reads_a_journal_on_from_where_it_was(tmp_path: Path) -> None:
    ready = {"event": "participant_ready", "participant": "ann"}
    journal(tmp_path, STARTED)
    reader = Reader(tmp_path)
    assert (reader.progress()["status"], reader.progress()["ready"]) == ("running", [])
    text = journal_of(tmp_path).read_text()
    journal_of(tmp_path).write_text("x" * (len(text) - 1) + "\n" + '{"event": "participant_ready", "part')
    assert reader.progress()["ready"] == []
    journal_of(tmp_path).write_text("x" * (len(text) - 1) + "\n")
    journal(tmp_path, ready)
    assert (reader.progress()["status"], reader.progress()["ready"]) == ("running", ["ann"])
    # Another coordinator, and then another run.
    write_record(tmp_path, "coordinator", journal_from=journal_of(tmp_path).stat().st_size)
    assert (reader.progress()["status"], reader.progress()["ready"]) == ("starting", [])
    journal_of(tmp_path).write_text("")
    assert reader.progress()["run"] is None


@pytest.mark.parametrize(
    ("kill", "excluded", "only", "ends"),
    [
        ("b true", 'as 1 "root"', "as 0", True),
        ("b false", 'as 1 "root"', "as 0", False),
        ("b true", 'as 2 "root" "fed"', "as 0", False),
        ("b true", "as 0", 'as 1 "eve"', False),
        ("b true", "as 0", 'as 1 "fed"', True),
        ("", "", "", False),
    ],
)
def test_whether_a_logout_ends_what_runs_depends_on_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: str, excluded: str, only: str, ends: bool
) -> None:
    answers = {"KillUserProcesses": kill, "KillExcludeUsers": excluded, "KillOnlyUsers": only}
    cases = "\n".join(f"{name}) echo '{answer}';;" for name, answer in answers.items())
    (tmp_path / "busctl").write_text(f'#!/bin/sh\ncase "$5" in\n{cases}\nesac\n')
    (tmp_path / "busctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="fed"))
    assert looking._ends_at_logout() is ends


def test_watching_ends_with_the_run(tmp_path: Path) -> None:
    journal(tmp_path, STARTED, {"event": "run_failed", "reason": "disk full"})
    write_record(tmp_path, "coordinator", journal_from=0)
    begun = time.monotonic()
    seen = watch(tmp_path, [], ["ann"], 60)
    assert (seen["progress"]["status"], seen["progress"]["reason"]) == ("failed", "disk full")
    assert time.monotonic() - begun < 30


def test_keys_are_made_once_and_their_secrets_stay(tmp_path: Path) -> None:
    made = ask(tmp_path, "make_keys", names=["ann"])
    assert ask(tmp_path, "make_keys", names=["ann", "bob"])["ann"] == made["ann"]
    keys = tmp_path / "lab" / "keys"
    assert {path.stat().st_mode & 0o777 for path in keys.glob("*.key")} == {0o600}
    assert keys.stat().st_mode & 0o077 == 0
    (keys / "ann.key").chmod(0o644)
    assert "chmod 600" in ask(tmp_path, "make_keys", names=["ann"])
    (keys / "bob.key").write_text("")
    assert ask(tmp_path, "make_keys", names=["bob"]) == (
        f"{keys}/bob.key: empty; move it away there, then deploy up makes a new key"
    )


def test_a_former_run_is_set_aside_with_its_logs_and_keys_stay(tmp_path: Path) -> None:
    for folder in ("run", "participants", "keys"):
        (tmp_path / folder).mkdir()
    set_aside(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["former", "keys"]
    assert {path.name for path in next((tmp_path / "former").iterdir()).iterdir()} == {"run", "participants"}


def test_logs_come_without_keys_and_private_states(tmp_path: Path) -> None:
    home, target = tmp_path / "host", tmp_path / "fetched"
    for name in ("run/journal.jsonl", "run/checkpoints/round-000001.json", "participants/ann.jsonl"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("{}\n")
    (home / "participants" / "ann").mkdir()
    (home / "participants" / "ann" / "round-1").write_text("private")
    packed = base64.b64decode(pack(home, ["ann"], run=True, checkpoints=True))
    assert unpack(packed, target, {"ann"}, run=True) == 3
    assert {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()} == {
        "journal.jsonl", "checkpoints/round-000001.json", "participants/ann.jsonl",
    }  # fmt: skip


def test_a_host_writes_nothing_here_but_its_own_logs(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in (
            "../evil",
            "/tmp/evil",
            "run/journal.jsonl",
            "participants/bob.jsonl",
            "participants/../x",
        ):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("participants/ann.jsonl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert unpack(packed.getvalue(), tmp_path / "run", {"ann"}, run=False) == 0
    assert [*tmp_path.rglob("*")] == []
    assert not os.path.lexists("/tmp/evil")
