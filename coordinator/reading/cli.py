"""``fedmeta inspect``: what happened in a run, or what happens in it now."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from coordinator.reading.fold import Reading, read_history
from coordinator.reading.follow import follow
from coordinator.reading.history import Participant, Round, RunHistory
from coordinator.reading.progress import open_progress
from coordinator.reading.tables import (
    duration,
    open_console,
    participant_table,
    participants_table,
    round_lines,
    round_table,
    rounds_table,
    summary_table,
    times,
)
from coordinator.reading.views import MEASUREMENTS_ONLY, as_played, record_of, remarks
from protocol.errors import UsageProblem
from protocol.scenario import Scenario, load_scenario

LATEST = Path("runs/latest")


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path), default=LATEST, envvar="FEDMETA_RUN_DIR")
@click.option(
    "--round",
    "number",
    type=click.IntRange(min=0),
    envvar="FEDMETA_INSPECT_ROUND",
    help="One round in detail.",
)
@click.option(
    "--participant", "name", envvar="FEDMETA_INSPECT_PARTICIPANT", help="One participant's history."
)
@click.option(
    "--follow",
    "watch",
    is_flag=True,
    envvar="FEDMETA_INSPECT_FOLLOW",
    help="Watch a run that goes on, until it ends.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="FEDMETA_INSPECT_JSON",
    help="Print one JSON document instead of tables.",
)
@click.option(
    "--all",
    "all_steps",
    is_flag=True,
    envvar="FEDMETA_INSPECT_ALL",
    help="Every adaptation step count that was measured; 50, or else the largest, by default.",
)
def inspect(
    run_dir: Path, number: int | None, name: str | None, watch: bool, as_json: bool, all_steps: bool
) -> None:
    """Read the run in RUN_DIR (runs/latest by default): its rounds, participants and evaluations."""
    if watch and (as_json or number is not None or name is not None):
        raise UsageProblem(
            "--follow shows the whole run as it goes on; for a program to follow, "
            f"{run_dir / 'journal.jsonl'} is already one JSON object a line"
        )
    journal = find_journal(run_dir)
    scenario = scenario_of(run_dir)
    if watch:
        _watch(journal, scenario)
        return
    with journal.open(encoding="utf-8", errors="replace") as lines:
        history = read_history(lines)
    if history.info.started is None:
        raise UsageProblem(f"{journal}: holds no event yet; is the coordinator running?")
    if number is not None:
        _show_round(history, scenario, number, run_dir, as_json)
    elif name is not None:
        _show_participant(history, scenario, name, run_dir, as_json)
    elif as_json:
        _print_json({**asdict_json(history), "roles": roles_of(run_dir) or None})
    else:
        _show_run(history, scenario, run_dir, all_steps)


def find_journal(run_dir: Path) -> Path:
    """The journal of a run. Raises :class:`UsageProblem` when there is none."""
    journal = run_dir / "journal.jsonl"
    if journal.is_file():
        return journal
    if run_dir == LATEST and not run_dir.exists():
        raise UsageProblem(f"{run_dir}: no run yet; name a run directory, or do a run: fedmeta run SCENARIO")
    if (run_dir / "study.json").is_file():
        runs, page = run_dir / "runs", run_dir / "report.html"
        raise UsageProblem(f"{run_dir}: a study, whose page is {page}; name one of its runs, in {runs}")
    what = "holds no journal.jsonl, so it is no run directory" if run_dir.is_dir() else "no such directory"
    raise UsageProblem(f"{run_dir}: {what}; name the directory that the run was started with")


def scenario_of(run_dir: Path) -> Scenario | None:
    """The scenario as run; None when the run directory has lost it, which costs the labels only."""
    path = run_dir / "scenario.toml"
    return as_played(load_scenario(path), roles_of(run_dir)) if path.is_file() else None


def attacks_of(scenario: Scenario | None) -> tuple[int, ...]:
    return scenario.attack.rounds if scenario else ()


def roles_of(run_dir: Path) -> dict[str, str]:
    """Names to roles, of a run that `fedmeta run` started; empty for any other."""
    path = run_dir / "roles.json"
    if not path.is_file():
        return {}
    try:
        return TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
    except ValueError as error:
        raise UsageProblem(f"{path}: not an object of names and roles; remove it to read the run") from error


def _watch(journal: Path, scenario: Scenario | None) -> None:
    reading = Reading()
    with open_progress(open_console(), scenario) as progress:
        for events in follow(journal, reading):
            progress.update(events, reading)


def _show_run(history: RunHistory, scenario: Scenario | None, run_dir: Path, all_steps: bool) -> None:
    roles = roles_of(run_dir)
    tables = [] if history.measurements_only else [rounds_table(history, attacks_of(scenario))]
    tables.append(participants_table(history, roles))
    if history.evaluations and scenario:
        tables.append(summary_table(history, scenario, roles, all_steps=all_steps))
    _print_lines(open_console(), headline(history, scenario, run_dir), *tables)


def _print_lines(console: Console, lines: Sequence[str], *tables: Table) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for table in tables:
        console.print()
        console.print(table)


def headline(history: RunHistory, scenario: Scenario | None, run_dir: Path) -> list[str]:
    """What became of the run, in two or three lines."""
    info = history.info
    of_all = f" of {scenario.federation.rounds}" if scenario else ""
    resumed = f", resumed {times(info.resumed)}" if info.resumed else ""
    name = run_dir.resolve().name
    if history.measurements_only:
        lines = [f"{name}: {info.status}{resumed}, measured up to round {history.newest}{of_all}"]
        lines.append(MEASUREMENTS_ONLY)
    else:
        lines = [f"{name}: {info.status}{resumed}, {len(history.completed)}{of_all} rounds"]
    if info.started and info.last_event:
        lasted = duration((info.last_event - info.started).total_seconds())
        took = f"{lasted} so far" if info.status == "running" else f"took {lasted}"
        lines.append(f"started {info.started.isoformat(sep=' ', timespec='seconds')}, {took}")
    if info.started_from:
        lines.append(f"started from {info.started_from}, the model after round {info.start_round}")
    if info.reason:
        lines.append(f"reason: {info.reason}")
    if history.unreadable:
        lines.append(f"{history.unreadable} lines of the journal could not be read")
    return lines


def _show_round(
    history: RunHistory, scenario: Scenario | None, number: int, run_dir: Path, as_json: bool
) -> None:
    found = next((round_ for round_ in history.rounds if round_.number == number), None)
    if found is None:
        have = f"{history.rounds[0].number} to {history.rounds[-1].number}" if history.rounds else "none yet"
        if history.measurements_only:
            have = MEASUREMENTS_ONLY
        raise UsageProblem(f"{run_dir}: no round {number} in this run; its rounds: {have}")
    if as_json:
        _print_json(TypeAdapter(Round).dump_python(found, mode="json"))
    else:
        said = remarks(history, attacks_of(scenario)).get(number, [])
        _print_lines(open_console(), round_lines(found, said), round_table(found))


def _show_participant(
    history: RunHistory, scenario: Scenario | None, name: str, run_dir: Path, as_json: bool
) -> None:
    found = next((participant for participant in history.participants if participant.name == name), None)
    if found is None:
        names = ", ".join(participant.name for participant in history.participants) or "none yet"
        raise UsageProblem(f"{run_dir}: no participant {name!r} in this run; there were: {names}")
    if not as_json:
        who = participants_table(_only(history, found), roles_of(run_dir))
        if history.measurements_only:
            _print_lines(open_console(), [MEASUREMENTS_ONLY], who)
            return
        line = f"{name}: {found.presence}, joined {times(found.joined)}"
        _print_lines(open_console(), [line], who, participant_table(name, history, attacks_of(scenario)))
        return
    rounds = [round_.number for round_ in history.rounds if name in round_.selected]
    updates = [
        {"round": round_.number, **asdict(update)}
        for round_ in history.rounds
        for update in round_.updates
        if update.participant == name
    ]
    document = {**asdict(found), **asdict(record_of(name, history.rounds))}
    _print_json({**document, "role": roles_of(run_dir).get(name), "selected_in": rounds, "updates": updates})


def _only(history: RunHistory, participant: Participant) -> RunHistory:
    return replace(history, participants=(participant,))


def asdict_json(history: RunHistory) -> dict[str, Any]:
    """The whole history as plain JSON values."""
    document: dict[str, Any] = TypeAdapter(RunHistory).dump_python(history, mode="json")
    return document


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))
