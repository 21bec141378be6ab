"""Scenarios as flat keys and values, and what differs between several. Pure."""

from collections.abc import Sequence

from protocol.scenario import Scenario

ABSENT = "–"


def settings(scenario: Scenario) -> dict[str, str]:
    """The dotted keys of a scenario with their values as text, in the scenario's order."""
    return dict(_flat("", scenario.model_dump(mode="json")))


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        inner = [(f"{prefix}.{key}" if prefix else key, below) for key, below in value.items()]
        return [pair for key, below in inner for pair in _flat(key, below)]
    if isinstance(value, list):
        return [(prefix, ", ".join(_text(one) for one in value) or ABSENT)]
    return [(prefix, _text(value))]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(scenarios: Sequence[Scenario | None]) -> list[tuple[str, list[str]]]:
    """The keys in which scenarios differ, each with its value in every one; absent where one is not known."""
    known = [settings(scenario) if scenario else {} for scenario in scenarios]
    keys = dict.fromkeys(key for one in known for key in one)
    values = [(key, [one.get(key, ABSENT) for one in known]) for key in keys]
    return [
        (key, row)
        for key, row in values
        if len({cell for cell, one in zip(row, known, strict=True) if one}) > 1
    ]
