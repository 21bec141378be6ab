"""What a test of failures has measured, for docs/RELIABILITY.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    what: str
    value: int | float | str
    unit: str = ""

    def __str__(self) -> str:
        match self.value:
            case float():
                value = f"{self.value:.3g}"
            case int():
                value = f"{self.value:,}"
            case _:
                value = self.value
        return f"{self.what}: {value} {self.unit}".strip()
