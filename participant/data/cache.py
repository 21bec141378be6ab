"""Data sets that took time to draw or decode, kept on disk, one file each.

A file is one line of JSON and then the raw images. It is written under a temporary name and renamed, so any
number of processes may start at once: each sees a whole file or none. It is mapped rather than read, so
processes on one machine share its memory.
"""

import hashlib
import json
import logging
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs

from participant.data.dataset import Dataset

FORMAT = 1
log = logging.getLogger(__name__)


def cached(name: str, key: object, build: Callable[[], Dataset]) -> Dataset:
    """The data set made by ``build()``, from disk if it was made before with the same ``key``.

    ``key`` is anything whose ``repr`` says all that the result depends on. A damaged file is made anew; a
    cache that cannot be written costs time only.
    """
    digest = hashlib.blake2b(repr((FORMAT, key)).encode(), digest_size=12).hexdigest()
    path = platformdirs.user_cache_path("fedmeta") / "decoded" / f"{name}-{digest}.images"
    dataset = _read(path)
    if dataset is None:
        dataset = build()
        try:
            _write(path, dataset)
        except OSError as error:
            log.warning("%s is not kept for the next time: %s", name, error)
    return dataset


def _read(path: Path) -> Dataset | None:
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline())
            start = file.tell()
        # Mode "c" is copy-on-write: shared pages, yet writable, as torch.from_numpy wants it.
        images = np.asarray(np.memmap(path, np.uint8, "c", offset=start, shape=tuple(head["shape"])))
        whole = path.stat().st_size == start + images.nbytes and zlib.crc32(images.data) == head["crc32"]
        if not whole:
            raise ValueError("its length or checksum is wrong")
        groups = head["groups"]
        return Dataset(
            name=head["name"],
            classes=tuple(head["classes"]),
            images=images,
            offsets=np.array(head["offsets"], np.int64),
            groups=None if groups is None else {group: frozenset(names) for group, names in groups.items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("the cache file %s is damaged and is made anew: %s", path, error)
        return None


def _write(path: Path, dataset: Dataset) -> None:
    images = np.ascontiguousarray(dataset.images)
    groups = dataset.groups
    head = {
        "name": dataset.name,
        "classes": dataset.classes,
        "offsets": dataset.offsets.tolist(),
        "groups": None if groups is None else {group: sorted(names) for group, names in groups.items()},
        "shape": images.shape,
        "crc32": zlib.crc32(images.data),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            file.write(images.data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
