"""Downloads, from a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from participant.data.cli import data
from participant.data.omniglot import Omniglot
from participant.data.source import Download
from protocol.errors import RunFailed

CONTENT = b"drawings" * 50_000


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of one file, ``images.zip``."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "images.zip").write_bytes(CONTENT)
    handler = partial(QuietHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def publish(monkeypatch: pytest.MonkeyPatch, url: str, content: bytes = CONTENT) -> None:
    download = Download(f"{url}/images.zip", "images.zip", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(Omniglot, "downloads", (download,))


def fetch_omniglot(data_dir: Path) -> Result:
    return CliRunner().invoke(data, ["fetch", "omniglot", "--data-dir", str(data_dir)])


def test_a_file_is_downloaded_and_checked(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, server)
    result = fetch_omniglot(tmp_path / "data")
    assert result.exit_code == 0
    assert "400,000 bytes, sum checked" in result.output
    assert [path.name for path in (tmp_path / "data" / "omniglot").iterdir()] == ["images.zip"]
    assert (tmp_path / "data" / "omniglot" / "images.zip").read_bytes() == CONTENT


def test_a_file_that_is_there_and_right_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "http://127.0.0.1:9")  # nobody listens there
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "omniglot" / "images.zip").write_bytes(CONTENT)
    assert "is there already" in fetch_omniglot(tmp_path).output


def test_a_file_that_is_there_and_wrong_is_replaced(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, server)
    (tmp_path / "omniglot").mkdir()
    (tmp_path / "omniglot" / "images.zip").write_bytes(CONTENT[:1000])
    fetch_omniglot(tmp_path)
    assert (tmp_path / "omniglot" / "images.zip").read_bytes() == CONTENT


def failure(data_dir: Path) -> str:
    """What is said when the download fails; nothing is left in the folder then."""
    error = fetch_omniglot(data_dir).exception
    assert isinstance(error, RunFailed)
    assert error.exit_code == 3
    assert "\n" not in str(error)
    assert not list((data_dir / "omniglot").iterdir())
    return str(error)


def test_a_wrong_sum_is_an_error(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, server, content=b"something else")
    assert "sent 400,000 bytes with the MD5 sum" in failure(tmp_path / "data")


def test_a_file_that_the_server_lacks_is_an_error(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, f"{server}/nowhere")
    assert "could not be downloaded (" in failure(tmp_path / "data")


def test_a_refused_connection_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, "http://127.0.0.1:9")
    message = failure(tmp_path)
    assert "refused" in message
    assert f"put the file at {tmp_path / 'omniglot' / 'images.zip'} by hand" in message
