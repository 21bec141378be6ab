"""``fedmeta participant``: take part in a federation. Torch is imported only once the scenario is known."""

import math
import os
import re
from pathlib import Path

import click

from participant.device import DEVICE_FORM, choose_device
from participant.role import ALONE
from participant.session import Settings, run
from protocol.errors import UsageProblem
from protocol.key_files import read_key, read_public
from protocol.keys import is_name
from protocol.messages import NAME_FORM, Share

MAX_SHARES = 2**20
# Measuring goes on beside training, which must not wait for it where they share cores.
AUDITOR_NICENESS = 10


class ShareType(click.ParamType[Share]):
    """``i/n``: the i-th, from 1, of n shares."""

    name = "i/n"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Share:
        if isinstance(value, Share):
            return value
        match = re.fullmatch(r"([0-9]{1,7})/([0-9]{1,7})", str(value))
        if match is None or not 1 <= int(match[1]) <= int(match[2]) < MAX_SHARES:
            self.fail(f"{value!r} is no share; write i/n with i from 1 to n, for instance 1/4", param, ctx)
        return Share(index=int(match[1]) - 1, count=int(match[2]))


def _name(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_name(value):
        raise click.BadParameter(f"{value!r}: write {NAME_FORM}", ctx, param)
    return value


def _device(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if DEVICE_FORM.fullmatch(value) is None:
        raise click.BadParameter(f"{value!r}: write auto, cpu, mps, cuda or cuda:N", ctx, param)
    return value


def _patience(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if math.isnan(value) or value < 0:
        raise click.BadParameter(f"{value} is no time; write seconds from 0, or inf for ever", ctx, param)
    return value


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def participant() -> None:
    """Take part in a federation."""


@participant.command()
@click.option("--coordinator", required=True, metavar="tcp://HOST:PORT", help="The coordinator's address.")
@click.option(
    "--name",
    callback=_name,
    help="Unique in the federation; coming back needs the same [default with --key: the key's].",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Your secret key, made with fedmeta keys new; needed where the coordinator has keys.",
)
@click.option(
    "--coordinator-key",
    metavar="FILE|PUBLIC",
    help="The coordinator's public key, or its coordinator.pub: nobody else is taken for it.",
)
@click.option(
    "--role",
    required=True,
    type=click.Choice(["benign", "malicious", "auditor"]),
    help="Stays here: the coordinator is told only of auditors.",
)
@click.option(
    "--share", type=ShareType(), help="Which of n shares of the training classes [default: given one]."
)
@click.option(
    "--attacker",
    type=ShareType(),
    help="Which of n attackers that attack together; malicious only [default: 1/1].",
)
@click.option(
    "--device", default="auto", show_default=True, callback=_device, help="auto, cpu, mps, cuda or cuda:N."
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="FEDMETA_DATA_DIR",
    help="One folder per data set [default: the user's cache].",
)
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="What this participant keeps to itself [default: the user's state directory, by run and name].",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append events to this file too, one JSON object a line.",
)
@click.option(
    "--patience",
    type=float,
    callback=_patience,
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to look for a coordinator that is not there.",
)
@click.option("--parent", type=int, hidden=True, help="End when this process is no longer the parent.")
@click.pass_context
def start(
    ctx: click.Context,
    coordinator: str,
    name: str | None,
    key: Path | None,
    coordinator_key: str | None,
    role: str,
    share: Share | None,
    attacker: Share | None,
    device: str,
    data_dir: Path | None,
    state_dir: Path | None,
    log: Path | None,
    patience: float,
    parent: int | None,
) -> None:
    """Join the coordinator, train (or audit) when asked, until the run is over.

    The coordinator may be started later, and may come and go: the participant finds it again. SIGTERM and
    Ctrl-C make it leave; a second one ends it at once.
    """
    if attacker is not None and role != "malicious":
        raise UsageProblem(f"--attacker is for --role malicious, not for {role}")
    if (key is None) != (coordinator_key is None):
        raise UsageProblem("--key and --coordinator-key go together: name both, or none")
    pair = read_key(key) if key is not None else None
    if name is None:
        if pair is None:
            raise UsageProblem("--name is missing: what this participant is called, unique in the federation")
        name = pair.name
    settings = Settings(
        coordinator=coordinator,
        name=name,
        role=role,
        share=share,
        attacker=attacker or ALONE,
        key=pair,
        coordinator_key=read_public(coordinator_key) if coordinator_key is not None else None,
        device=device,
        data_dir=data_dir,
        state_dir=state_dir,
        log=log,
        patience_s=patience,
        parent=parent,
    )
    if device not in ("auto", "cpu"):
        choose_device(device, name)  # a device that is not there is better known before joining
    if role == "auditor":
        os.nice(AUDITOR_NICENESS)
    ctx.exit(run(settings))
