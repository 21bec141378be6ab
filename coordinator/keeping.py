"""From which round on the private states of participants may still be asked for."""

from collections.abc import Mapping

from coordinator.state import FederationState


class Keeping:
    """Remembers ``previous`` as of the newest two checkpoints on disk.

    A restart loads the newest, or the one before it should that be damaged; so what participants kept before
    the older of the two will never be asked for again.
    """

    def __init__(self, state: FederationState) -> None:
        self._known = dict(state.keep_from)
        self._pending: dict[int, dict[str, int]] = {}
        self._durable: dict[int, dict[str, int]] = {}
        if state.round > 0:
            self._durable[state.round] = dict(state.previous)

    def writing(self, number: int, previous: Mapping[str, int]) -> None:
        self._pending[number] = dict(previous)

    def written(self, number: int) -> dict[str, int]:
        """The checkpoint of that round is durable; the rounds to keep from, by participant."""
        self._durable[number] = self._pending.pop(number, self._durable.get(number, {}))
        self._pending = {later: kept for later, kept in self._pending.items() if later > number}
        newest = sorted(self._durable)[-2:]
        self._durable = {kept: self._durable[kept] for kept in newest}
        if len(newest) == 2:
            self._known = self._durable[newest[0]]
        return dict(self._known)
