"""What a test of failures has measured, for docs/RELIABILITY.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    what: str
    value: int | float | str
    unit: str = ""

    def __str__(self) -> str:
        value = f"{self.value:.3g}" if isinstance(self.value, float) else f"{self.value:,}"
        return f"{self.what}: {value if not isinstance(self.value, str) else self.value} {self.unit}".strip()
