"""Who trains in a round and on which share of the classes: functions of names, never of who came first."""

from collections import Counter
from collections.abc import Collection, Mapping
from heapq import heapify, heapreplace

from protocol.seeds import generator


def select(seed: int, round_number: int, attempt: int, names: Collection[str], count: int) -> tuple[str, ...]:
    """``count`` of the names (all, if there are fewer), drawn for this attempt of this round; sorted."""
    ordered = sorted(set(names))
    if count >= len(ordered):
        return tuple(ordered)
    draw = generator(seed, "selection", round_number, attempt)
    chosen = draw.choice(len(ordered), size=count, replace=False)
    return tuple(sorted(ordered[i] for i in chosen))


def first_shares(names: Collection[str], declared: Mapping[str, int], count: int) -> dict[str, int]:
    """The share index of each name when the first round starts.

    Declared shares are honoured; the other names, sorted, get the free indices in ascending order.
    """
    shares = {name: declared[name] for name in names if name in declared}
    held = Counter(shares.values())
    next_ones = [(held[index], index) for index in range(count)]
    heapify(next_ones)
    for name in sorted(set(names) - shares.keys()):
        holders, shares[name] = next_ones[0]
        heapreplace(next_ones, (holders + 1, shares[name]))
    return shares


def next_share(shares: Mapping[str, int], count: int) -> int:
    """The share index for one more participant: the lowest of those held by fewest."""
    held = Counter(shares.values())
    return min(range(count), key=lambda index: (held[index], index))
