"""What a participant keeps of a round in a file of its state, and for how long. No torch here."""

from pathlib import Path


def round_file(directory: Path, kind: str, round_number: int) -> Path:
    return directory / f"{kind}-{round_number:06d}.safetensors"


def forget(directory: Path, kind: str, keep_from: int) -> None:
    """Delete the files of that kind of rounds before ``keep_from``."""
    for path in directory.glob(f"{kind}-*.safetensors"):
        if int(path.stem.removeprefix(f"{kind}-")) < keep_from:
            path.unlink(missing_ok=True)
