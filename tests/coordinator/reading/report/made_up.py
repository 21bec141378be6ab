"""Run directories of made-up journals."""

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from coordinator.reading.report.runs import Run, read_runs
from protocol.scenario import dump_scenario, parse_scenario
from tests.coordinator.reading.example import evaluated, line, opening, round_lines

NAMES = ("ann", "bob", "eve")
ROLES = {"ann": "benign", "bob": "benign", "eve": "malicious", "auditor": "auditor"}
SETTINGS = ("federation.rounds=4", "attack.rounds=[3]")


def with_attack(number: int, norm: float = 9.0) -> list[str]:
    """A round in which eve's update is as large as that."""
    started, *updates, done = round_lines(number, NAMES)
    return [started, *updates[:-1], updates[-1].replace('"norm": 0.5', f'"norm": {norm}'), done]


WHOLE = [
    *opening(*NAMES, "auditor"),
    *round_lines(1, NAMES),
    *round_lines(2, NAMES),
    evaluated(2, backdoor=0.2),
    evaluated(2, decision="matching", backdoor=0.1, adaptation_steps=0),
    *with_attack(3),
    evaluated(3, backdoor=0.9),
    evaluated(3, decision="matching", backdoor=0.3, adaptation_steps=0),
    *round_lines(4, NAMES),
    evaluated(4, backdoor=0.7),
    evaluated(4, decision="matching", backdoor=0.2, adaptation_steps=0),
    line("run_completed", rounds=4),
]


def write_run(
    directory: Path,
    lines: Sequence[str] = WHOLE,
    settings: Sequence[str] | None = SETTINGS,
    roles: dict[str, str] | None = ROLES,
) -> Path:
    """``settings`` None: no scenario.toml; ``roles`` None: no roles.json."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "journal.jsonl").write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    if settings is not None:
        (directory / "scenario.toml").write_text(dump_scenario(parse_scenario("", settings)))
    if roles is not None:
        (directory / "roles.json").write_text(json.dumps(roles))
    return directory


def run_of(directory: Path, **what: object) -> Run:
    (run,) = read_runs([write_run(directory, **what)])  # type: ignore[arg-type]
    return run


class Page(HTMLParser):
    """What a page is made of: tags with their attributes, its text, and what it refers to."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def attribute(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]
