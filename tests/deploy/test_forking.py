"""Processes forked from one that has imported everything: as independent as any, and none is left."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import forking
from deploy.children import Bell, await_exit, end_all
from deploy.forking import ForkServer
from protocol.errors import RunFailed

# The real server with a program of its own behind it: its last argument says what to do.
SERVER = """
import sys
from pathlib import Path
from deploy import forkserver, start
forkserver.PRELOADED = ("json",)
def program():
    import json, os, setproctitle, signal, time
    from deploy.children import Bell
    what = sys.argv[1]
    if what == "say":
        Path(sys.argv[2]).write_text(json.dumps({
            "pid": os.getpid(), "parent": os.getppid(), "group": os.getpgrp(),
            "environment": dict(os.environ), "title": setproctitle.getproctitle(),
            "sigint": signal.getsignal(signal.SIGINT) == signal.default_int_handler,
            "open": sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None,
        }))
        print("said", flush=True)
        print("fedmeta: to the error stream", file=sys.stderr)
        sys.exit(int(sys.argv[3]))
    if what == "stay":
        Path(sys.argv[2]).write_text(str(os.getpid()))
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(0.01)
        Path(sys.argv[2]).write_text("the server is gone")
import deploy.cli
deploy.cli.main = program
forkserver.main()
"""


@pytest.fixture
def bell() -> Iterator[Bell]:
    with Bell.hung() as bell:
        yield bell


@pytest.fixture
def server(bell: Bell, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServer]:
    monkeypatch.setattr(forking, "PROGRAM", (sys.executable, "-c", SERVER))
    monkeypatch.setenv("FEDMETA_DEBUG", "1")
    with ForkServer.running(bell) as server:
        yield server


def appeared(path: Path, bell: Bell) -> str:
    while not path.exists() or not path.read_text():
        bell.wait(0.01)
    return path.read_text()


def test_a_forked_process_is_what_a_new_one_would_be(server: ForkServer, bell: Bell, tmp_path: Path) -> None:
    stderr = tmp_path / "logs" / "one.stderr"
    child = server.start("one", ["say", str(tmp_path / "said"), "3"], stderr)
    assert await_exit([child], bell, 60)
    assert child.exit_code == 3
    assert stderr.read_text() == "said\nfedmeta: to the error stream\n"
    assert child.last_words() == "to the error stream"
    said = json.loads((tmp_path / "said").read_text())
    assert said["parent"] == server.pid
    assert said["group"] == said["pid"] != os.getpgrp()
    assert said["sigint"]
    assert said["title"] == f"fedmeta say {tmp_path / 'said'} 3"
    assert "FEDMETA_DEBUG" not in said["environment"]
    assert said["environment"]["OMP_NUM_THREADS"]
    # 0, 1, 2 and the listing's own: none of the server's pipes is left open.
    assert said["open"] is None or len(said["open"]) == 4


def test_what_a_process_prints_is_appended(server: ForkServer, bell: Bell, tmp_path: Path) -> None:
    stderr = tmp_path / "one.stderr"
    stderr.write_text("before\n")
    for code in ("0", "7"):
        child = server.start("one", ["say", str(tmp_path / "said"), code], stderr)
        assert await_exit([child], bell, 60)
        assert child.exit_code == int(code)
    assert stderr.read_text() == "before\n" + "said\nfedmeta: to the error stream\n" * 2


def test_a_signal_reaches_one_child_alone_and_its_end_rings_the_bell(
    server: ForkServer, bell: Bell, tmp_path: Path
) -> None:
    children = [
        server.start(name, ["stay", str(tmp_path / name)], tmp_path / f"{name}.stderr") for name in ("a", "b")
    ]
    for child in children:
        appeared(tmp_path / child.name, bell)
    children[0].send(signal.SIGTERM)
    assert await_exit(children[:1], bell, 60)
    assert [child.exit_code for child in children] == [-signal.SIGTERM, None]
    children[0].send(signal.SIGKILL)  # changes nothing any more
    children[1].kill()
    assert [child.exit_code for child in children] == [-signal.SIGTERM, -signal.SIGKILL]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="/proc says whether a process has stopped")
def test_a_stopped_child_is_killed_in_the_end(server: ForkServer, bell: Bell, tmp_path: Path) -> None:
    child = server.start("a", ["stay", str(tmp_path / "a")], tmp_path / "a.stderr")
    pid = appeared(tmp_path / "a", bell)
    child.send(signal.SIGSTOP)
    # A request to end that arrives before it has stopped would still be heard.
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        bell.wait(0.01)
    end_all([child], bell, 0.1)
    assert child.exit_code == -signal.SIGKILL


def test_without_the_server_there_is_one_line_and_no_child(
    server: ForkServer, bell: Bell, tmp_path: Path
) -> None:
    child = server.start("a", ["stay", str(tmp_path / "a")], tmp_path / "a.stderr")
    appeared(tmp_path / "a", bell)
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(RunFailed, match=f"process {server.pid}, from which .* has ended with exit code -9"):
        child.kill()
    while (tmp_path / "a").read_text() != "the server is gone":
        bell.wait(0.01)


def test_a_server_that_cannot_start_is_one_line(
    bell: Bell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(forking, "PROGRAM", (sys.executable, "-c", "raise SystemExit(5)"))
    with ForkServer.running(bell) as server, pytest.raises(RunFailed, match="has ended with exit code 5"):
        server.start("a", ["stay", "x"], tmp_path / "a.stderr").process.kill_group()


def test_what_is_preloaded_starts_no_thread() -> None:
    """A fork copies the thread that forks alone, and whatever locks the others hold."""
    code = (
        "import os; from importlib import import_module; from deploy.forkserver import PRELOADED\n"
        "for module in PRELOADED: import_module(module)\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    if not Path("/proc/self/task").is_dir():
        pytest.skip("threads are counted in /proc")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout == b"1\n"
