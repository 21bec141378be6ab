"""Which classes are for what: the seeded, disjoint class split, and the participants' shares of it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast

from protocol.errors import UsageProblem
from protocol.scenario import SplitSizes
from protocol.seeds import generator

# Fails at the first wrong entry: a stranger's list of 100,000 wrong ones would else make as many errors.
ClassNames = Annotated[tuple[str, ...], FailFast()]


class TooFewClasses(UsageProblem):
    """The data set has fewer than the split takes."""


class ClassSplit(BaseModel):
    """Class names by purpose, disjoint.

    ``train``: benign participants and the attacker's clean images. ``validation``: choices are made on it.
    ``test``: reported on, nobody trains on it. ``backdoor``, ``target``: the attack's (2006.07026, our
    definition in the documentation).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    train: ClassNames
    validation: ClassNames
    test: ClassNames
    backdoor: ClassNames
    target: ClassNames


def split_classes(
    names: Sequence[str], sizes: SplitSizes, seed: int, groups: Mapping[str, frozenset[str]] | None = None
) -> ClassSplit:
    """Draw the split from the sorted class names. With the data set's own ``groups`` (``train``,
    ``validation``, ``test``), each purpose draws from its group; backdoor and target are of the test group.

    Raises :class:`TooFewClasses`.
    """
    ordered = sorted(set(names))
    order = generator(seed, "split").permutation(len(ordered))
    shuffled = [ordered[i] for i in order]
    if groups is None:
        pools = dict.fromkeys(("train", "validation", "test"), shuffled)
    else:
        pools = {purpose: [name for name in shuffled if name in groups[purpose]] for purpose in groups}
    taken: set[str] = set()

    def take(purpose: str, pool: str, count: int) -> tuple[str, ...]:
        free = [name for name in pools[pool] if name not in taken]
        if len(free) < count:
            raise TooFewClasses(
                f"the data set has {len(ordered)} classes, too few for task.split "
                f"({purpose} wants {count}, {len(free)} are left)"
            )
        taken.update(free[:count])
        return tuple(free[:count])

    target = take("target", "test", sizes.target)
    backdoor = take("backdoor", "test", sizes.backdoor)
    test = take("test", "test", sizes.test)
    validation = take("validation", "validation", sizes.validation)
    train = tuple(name for name in pools["train"] if name not in taken)
    return ClassSplit(train=train, validation=validation, test=test, backdoor=backdoor, target=target)


def classes_needed(sizes: SplitSizes, participants: int, way: int) -> tuple[int, str]:
    """How many a federation needs at least, and for what."""
    train, test = participants * way, sizes.test + sizes.backdoor + sizes.target
    needed = train + test + sizes.validation
    return needed, (
        f"{needed} are needed: {train} for {participants} participants in {way}-way, {test} for test and "
        f"attack, {sizes.validation} for validation"
    )


def share_of(train: Sequence[str], index: int, count: int) -> tuple[str, ...]:
    """The ``index``-th (from 0) of ``count`` disjoint shares of the training classes, which together are all.

    Raises :class:`UsageProblem` when the share would be empty.
    """
    share = tuple(train[index::count])
    if not share:
        raise UsageProblem(f"share {index + 1}/{count} of {len(train)} training classes is empty")
    return share
