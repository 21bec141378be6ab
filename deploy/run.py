"""``fedmeta run``: a whole federation as processes of this machine."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from pydantic import TypeAdapter

from coordinator.origin import open_origin
from coordinator.reading.fold import Reading
from coordinator.reading.follow import JournalTail
from coordinator.reading.progress import open_progress
from coordinator.reading.tables import open_console, summary_table
from coordinator.reading.views import as_played
from deploy.branch import check_origin, take_along
from deploy.checks import check_scenario
from deploy.children import Bell
from deploy.forking import ForkServer
from deploy.plan import LocalRun, cast_roles, default_attackers, keys_of
from deploy.roles import write_roles
from deploy.supervise import Supervisor
from protocol.errors import UsageProblem
from protocol.files import make_usable
from protocol.key_files import provide
from protocol.scenario import Scenario, load_scenario
from protocol.scenario_files import find_scenario, scenario_names

RUNS = Path("runs")


@click.command()
@click.argument("scenario", required=False)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    envvar="FEDMETA_RUN_DIR",
    help="Where everything about the run is kept. Default: runs/SCENARIO-UTCTIME.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="FEDMETA_DATA_DIR",
    help="One folder per data set. Default: the user's cache directory.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    envvar="FEDMETA_RUN_SET",
    help="Change a key of the scenario, for instance federation.rounds=200. Repeatable.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, mps, cuda or cuda:N.")
@click.option(
    "--attackers",
    type=click.IntRange(min=0),
    help="How many participants are malicious. Default: the scenario's attack.participants.",
)
@click.option(
    "--from",
    "origin_given",
    metavar="CHECKPOINT",
    envvar="FEDMETA_RUN_FROM",
    help="Begin with the model of another run, at its round number, with its participants' shares and "
    "private parameters: RUN_DIR (the newest checkpoint), RUN_DIR:ROUND, or a checkpoint's file.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN_DIR",
    help="Go on with a run that was interrupted, instead of starting one.",
)
@click.pass_context
def run(
    context: click.Context,
    scenario: str | None,
    run_dir: Path | None,
    data_dir: Path | None,
    overrides: tuple[str, ...],
    device: str,
    attackers: int | None,
    origin_given: str | None,
    resume: Path | None,
) -> None:
    """Run SCENARIO, a name or a TOML file: coordinator, participants and auditor as local processes.

    The names are those of the project's own scenarios, for instance one_shot_attack.
    """
    debug = bool(context.find_root().params.get("debug"))
    if resume is not None:
        if scenario or run_dir or overrides or attackers is not None or origin_given:
            raise UsageProblem(
                "--resume goes on with a run as it was started: leave out the scenario, --run-dir, --set, "
                "--attackers and --from"
            )
        path, target = resume / "scenario.toml", resume
        reading, tail = _past_of(resume)
        parsed = load_scenario(path)
        roles = _stored_roles(resume)
    else:
        if scenario is None:
            raise UsageProblem(f"name a scenario: a TOML file, or one of: {', '.join(scenario_names())}")
        path = find_scenario(scenario)
        parsed = load_scenario(path, overrides)
        target = run_dir or RUNS / f"{path.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        _check_unused(target)
        reading, tail = Reading(), JournalTail(target / "journal.jsonl")
        roles = cast_roles(
            parsed.federation.participants,
            _attackers(parsed, attackers),
            auditor=parsed.evaluation.by == "auditor",
        )
    origin = open_origin(origin_given) if origin_given else None
    check_scenario(parsed, data_dir, device)
    taken = check_origin(origin, parsed, roles) if origin else []
    make_usable(target, what="run directory")
    if resume is None:
        prepare(target, roles)
        take_along(taken, target / "participants")
    provide(keys_of(target), roles)
    if target.parent == RUNS:
        _link_latest(target)
    console = open_console()
    played = as_played(parsed, roles)
    with (
        Bell.hung() as bell,
        ForkServer.running(bell) as processes,
        open_progress(console, played) as progress,
    ):
        local = LocalRun(
            scenario=path, overrides=overrides, run_dir=target, data_dir=data_dir, device=device,
            roles=roles, parent=processes.pid, debug=debug, origin=origin.path if origin else None,
        )  # fmt: skip
        Supervisor(
            local,
            min_updates=parsed.federation.min_updates,
            tail=tail,
            reading=reading,
            progress=progress,
            bell=bell,
            start=processes.start,
        ).supervise(resume=resume is not None)
    history = reading.history()
    console.print()
    console.print(summary_table(history, played, roles) if history.evaluations else "nothing was evaluated")
    console.print(f"\nrun directory: {target}", soft_wrap=True, markup=False, highlight=False)


def _attackers(scenario: Scenario, attackers: int | None) -> int:
    wanted = default_attackers(scenario) if attackers is None else attackers
    if wanted > scenario.federation.participants:
        have = scenario.federation.participants
        raise UsageProblem(
            f"--attackers {wanted}: the scenario has {have} participants (federation.participants)"
        )
    return wanted


def _past_of(run_dir: Path) -> tuple[Reading, JournalTail]:
    """What a run's journal says so far, and the tail that goes on from there."""
    if not (run_dir / "journal.jsonl").is_file():
        raise UsageProblem(f"{run_dir}: holds no run to go on with (no journal.jsonl in it)")
    reading, tail = Reading(), JournalTail(run_dir / "journal.jsonl")
    for line in tail.new_lines():
        reading.feed(line)
    if reading.info.status == "completed":
        raise UsageProblem(f"{run_dir}: this run is complete; read it with: fedmeta inspect {run_dir}")
    return reading, tail


def _stored_roles(run_dir: Path) -> dict[str, str]:
    path = run_dir / "roles.json"
    try:
        return TypeAdapter(dict[str, str]).validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageProblem(
            f"{path}: not there, so `fedmeta run` did not start this run; go on with: "
            f"fedmeta coordinator start {run_dir / 'scenario.toml'} --run-dir {run_dir} --resume"
        ) from error
    except ValueError as error:
        raise UsageProblem(f"{path}: not an object of names and roles") from error


def _check_unused(run_dir: Path) -> None:
    for name in ("journal.jsonl", "checkpoints"):
        if (run_dir / name).exists():
            raise UsageProblem(
                f"{run_dir}: already holds a run; go on with it: fedmeta run --resume {run_dir}, "
                "or name another --run-dir"
            )


def prepare(run_dir: Path, roles: Mapping[str, str]) -> None:
    """What a local run's directory holds before its coordinator begins."""
    (run_dir / "participants").mkdir(parents=True, exist_ok=True)
    write_roles(run_dir, roles)


def _link_latest(run_dir: Path) -> None:
    """Make runs/latest point to this run, in one step, so that a reader never finds it missing."""
    temporary = RUNS / f".latest-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(run_dir.name, target_is_directory=True)
    temporary.replace(RUNS / "latest")
