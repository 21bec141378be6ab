"""Who may take part: what is wrong with a join or a ready. Nothing is decided by who is malicious."""

from collections.abc import Mapping
from dataclasses import dataclass

from coordinator.membership import Member
from protocol.messages import Join, Ready, RefuseReason
from protocol.scenario import SplitSizes
from protocol.split import ClassSplit


@dataclass(frozen=True, slots=True)
class Refusal:
    """``detail`` is one line for the person who started the participant."""

    reason: RefuseReason
    detail: str


def join_refusal(
    join: Join,
    *,
    holder: Member | None,
    shares: Mapping[str, int],
    declared: Mapping[int, str],
    participants: int,
) -> Refusal | None:
    """``holder``: who has the name on another, living connection. ``shares``: those already given, by name;
    whoever has one takes part in training. ``declared``: those that others who are there came with."""
    if holder is not None:
        return Refusal("name_taken", f"a participant named {join.name} is connected; choose another name")
    if join.auditor and join.name in shares:
        return Refusal("name_taken", f"{join.name} takes part in training; an auditor needs its own name")
    if join.share is None or join.auditor:
        return None
    wanted = f"{join.share.index + 1}/{join.share.count}"
    if join.share.count != participants or join.share.index >= participants:
        return Refusal("bad_share", f"share {wanted}: this federation has {participants} shares")
    if join.share.index in declared:
        return Refusal("bad_share", f"share {wanted} is that of {declared[join.share.index]}; choose another")
    given = shares.get(join.name)
    if given is not None and given != join.share.index:
        return Refusal(
            "bad_share", f"share {wanted}: {join.name} has share {given + 1}/{participants} in this run"
        )
    return None


def ready_refusal(
    ready: Ready, *, manifest_digest: str, split: ClassSplit | None, sizes: SplitSizes
) -> Refusal | None:
    """``split``: the federation's, None before the first participant is ready. That one says what it is, so
    it has at least to be of the scenario's ``sizes``."""
    if ready.manifest_digest != manifest_digest:
        return Refusal(
            "other_manifest",
            "the model that was built here has other parameters than the coordinator's; "
            "install the same version of fedmeta on both sides",
        )
    if split is not None and ready.split != split:
        return Refusal(
            "other_split",
            f"the data here give {_sizes(ready.split)}, the federation's {_sizes(split)}"
            f"{_first_difference(ready.split, split)}; use the same data set everywhere",
        )
    if split is None and not _fits(ready.split, sizes):
        wanted = ", ".join(f"{count} {purpose}" for purpose, count in sizes)
        return Refusal(
            "other_split",
            f"the data here give {_sizes(ready.split)}; the scenario wants {wanted}, each class once, "
            "and the others for train",
        )
    return None


def _fits(split: ClassSplit, sizes: SplitSizes) -> bool:
    names = [name for _, purpose in split for name in purpose]
    counts = {purpose: len(found) for purpose, found in split if purpose != "train"}
    return counts == sizes.model_dump() and bool(split.train) and len(set(names)) == len(names)


def _sizes(split: ClassSplit) -> str:
    return ", ".join(f"{len(names)} {purpose}" for purpose, names in split) + " classes"


def _first_difference(here: ClassSplit, there: ClassSplit) -> str:
    for (purpose, ours), (_, theirs) in zip(here, there, strict=True):
        for mine, other in zip(ours, theirs, strict=False):
            if mine != other:
                return f" ({purpose}: {mine[:64]} here, {other[:64]} there)"
    return ""
