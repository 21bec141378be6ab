"""``fedmeta coordinator``: the daemon of a federation."""

from pathlib import Path

import click

from coordinator.daemon import Outcome
from coordinator.service import Settings, serve
from coordinator.wakeup import INTERRUPTED
from protocol.scenario import load_scenario
from protocol.scenario_files import find_scenario


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def coordinator() -> None:
    """Start the coordinator of a federation."""


@coordinator.command()
@click.argument("scenario")
@click.option(
    "--bind",
    required=True,
    metavar="tcp://HOST:PORT",
    help="Where to listen; PORT * takes a free one, HOST * all addresses of this machine.",
)
@click.option(
    "--run-dir",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Holds the run: scenario, journal, checkpoints.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --run-dir from its newest checkpoint.")
@click.option(
    "--from",
    "origin",
    metavar="CHECKPOINT",
    envvar="FEDMETA_COORDINATOR_START_FROM",
    help="Begin with the model, the round number and the participants of a checkpoint: its file, "
    "a run directory (its newest), or RUN_DIR:ROUND.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    envvar="FEDMETA_COORDINATOR_START_SET",
    help="Change a value of the scenario.",
)
@click.option(
    "--keys",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FEDMETA_KEYS",
    help="Holds coordinator.key and the list of those who are allowed; see fedmeta keys. Not needed where "
    "nobody else reaches HOST.",
)
@click.option("--insecure", is_flag=True, help="Without keys on any address: anybody can take part and read.")
@click.option("--parent", type=int, hidden=True, help="End when this process is no longer the parent.")
@click.pass_context
def start(
    ctx: click.Context,
    scenario: str,
    bind: str,
    run_dir: Path,
    resume: bool,
    origin: str | None,
    overrides: tuple[str, ...],
    keys: Path | None,
    insecure: bool,
    parent: int | None,
) -> None:
    """Run SCENARIO, a file or the name of one of the project's, with the participants that join.

    SIGTERM and Ctrl-C write a checkpoint and end with code 130; participants go on looking for the
    coordinator, and --resume goes on with the run. A second one ends it at once.
    """
    path = find_scenario(scenario)
    settings = Settings(
        scenario=load_scenario(path, overrides),
        name=path.stem,
        bind=bind,
        run_dir=run_dir,
        resume=resume,
        origin=origin,
        keys=keys,
        insecure=insecure,
        parent=parent,
    )
    if serve(settings) is Outcome.INTERRUPTED:
        ctx.exit(INTERRUPTED)
