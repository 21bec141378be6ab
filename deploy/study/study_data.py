"""The data set of a study: read once, counted, and described for its plan and its pages."""

from pathlib import Path

from deploy.study.federations import STROKES_CLASSES
from deploy.study.ledger import DataRecord, digest_of


def look_at(name: str, data_dir: Path | None) -> DataRecord:
    """Raises :class:`protocol.errors.UsageProblem` for data that are missing or broken."""
    from participant.data import load_dataset  # torch stays out of `fedmeta --help`

    dataset = load_dataset(name, data_dir, classes=STROKES_CLASSES)
    images = {one: len(dataset.of(one)) for one in dataset.classes}
    groups = {group: len(names) for group, names in dataset.groups.items()} if dataset.groups else None
    return DataRecord(name=name, classes=len(dataset.classes), groups=groups, digest=digest_of(images))
