"""Names in a scenario to the code behind them: the project's own, or an installed package's entry points."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from protocol.errors import UsageProblem

T = TypeVar("T")


class Registry(Generic[T]):
    """A dict of names with a decorator, and a look-up that says what would have been right.

    ``kind`` names the entry (``"attack"``) in errors, after the scenario's ``key`` where there is one; the
    entry-point group is ``fedmeta.<kind>s``.
    """

    def __init__(self, kind: str, key: str | None = None) -> None:
        self.kind = kind
        self._origin = f"{key}: " if key else ""
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def keep(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return keep

    def names(self) -> list[str]:
        return sorted({*self._entries, *(point.name for point in self._installed())})

    def get(self, name: str) -> T:
        """The entry of that name. Raises :class:`UsageProblem` that lists the names there are, or says which
        package's entry cannot be loaded."""
        if name in self._entries:
            return self._entries[name]
        for point in self._installed():
            if point.name == name:
                self._entries[name] = self._load(point)
                return self._entries[name]
        there_are = ", ".join(self.names())
        raise UsageProblem(f"{self._origin}no {self.kind} is named {name!r}; there are: {there_are}")

    def _load(self, point: EntryPoint) -> T:
        try:
            entry: T = point.load()
        except (ImportError, AttributeError) as error:
            package = f" of {point.dist.name}" if point.dist is not None else ""
            raise UsageProblem(
                f"{self._origin}the {self.kind} {point.name!r}{package}, {point.value}, cannot be loaded: "
                f"{error}; install or mend that package"
            ) from error
        return entry

    def _installed(self) -> list[EntryPoint]:
        return list(entry_points(group=f"fedmeta.{self.kind}s"))
