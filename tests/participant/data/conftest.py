import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's own cache."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_: cache)


def png(seed: int = 0, size: tuple[int, int] = (105, 105), mode: str = "1") -> bytes:
    """A drawing as Omniglot publishes them: one slanted black line on white, one bit a pixel."""
    pixels = np.full(size[::-1], 255, np.uint8)
    for step in range(min(size) // 2):
        pixels[size[1] // 4 + step, size[0] // 4 + step // (1 + seed % 3)] = 0
    buffer = BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format="PNG")
    return buffer.getvalue()


MakeZip = Callable[..., Path]


@pytest.fixture
def make_zip(tmp_path: Path) -> MakeZip:
    """A zip such as Omniglot's in DATA_DIR/omniglot; ``members`` replaces or adds some of its files."""

    def make(
        part: str = "images_background_small1", classes: int = 3, members: dict[str, bytes] | None = None
    ) -> Path:
        files = {
            f"{part}/Greek/character{c:02d}/{c:04d}_{i:02d}.png": png(c)
            for c in range(1, classes + 1)
            for i in range(1, 4)
        }
        path = tmp_path / "omniglot" / f"{part}.zip"
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (files | (members or {})).items():
                archive.writestr(name, content)
        return path

    return make
