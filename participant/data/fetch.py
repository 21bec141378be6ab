"""Downloading a published file: to a temporary name, checked against its sum, then renamed."""

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from participant.data.source import Download
from protocol.errors import RunFailed

CHUNK = 2**16
TIMEOUT_S = 30  # without a byte

Progress = Callable[[int, int | None], None]
"""Told how many bytes have come, and of how many when the server says so."""


def is_there(download: Download, folder: Path) -> bool:
    """Whether the file is in ``folder`` already, whole and right."""
    path = folder / download.file_name
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest() == download.md5


def fetch(download: Download, folder: Path, progress: Progress) -> Path:
    """Downloads the file into ``folder``, made if need be, over whatever has its name there.

    Raises :class:`RunFailed` with the address and the reason; nothing is left behind then.
    """
    path = folder / download.file_name
    by_hand = f"try again later, or put the file at {path} by hand"
    temporary: str | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=folder)
        with (
            os.fdopen(handle, "wb") as file,
            urllib.request.urlopen(download.url, timeout=TIMEOUT_S) as reply,
        ):
            length = reply.headers.get("Content-Length")
            total = int(length) if length is not None and length.isdigit() else None
            received, md5 = 0, _md5()
            progress(received, total)
            while chunk := reply.read(CHUNK):
                file.write(chunk)
                md5.update(chunk)
                received += len(chunk)
                progress(received, total)
        if md5.hexdigest() != download.md5:
            raise RunFailed(
                f"{download.url} sent {received:,} bytes with the MD5 sum {md5.hexdigest()}, "
                f"not {download.md5}: it was cut off or changed on its way; {by_hand}"
            )
        Path(temporary).chmod(0o644)  # mkstemp makes files that only their owner can read
        Path(temporary).replace(path)
    # URLError, the time-out and a full disk are all OSErrors; a malformed reply is an HTTPException.
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise RunFailed(f"{download.url} could not be downloaded ({reason}); {by_hand}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return path


def _md5() -> "hashlib._Hash":
    # The sums are those that the field has published; they guard against damage, not against a forger.
    return hashlib.md5(usedforsecurity=False)
