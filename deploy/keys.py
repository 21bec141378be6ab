"""``fedmeta keys``: make keys, and say whom a coordinator lets in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from platformdirs import user_config_dir

from protocol import key_files
from protocol.errors import UsageProblem
from protocol.keys import AllowList, KeyPair, is_name
from protocol.messages import NAME_FORM


class KeyName(click.ParamType[str]):
    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_name(str(value)):
            self.fail(f"{value!r}: write {NAME_FORM}", param, ctx)
        return str(value)


def _directory(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--keys",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="FEDMETA_KEYS",
        default=lambda: Path(user_config_dir("fedmeta")) / "keys",
        show_default="the user's configuration",
        help="Where keys and the list of those who are allowed are kept.",
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def keys() -> None:
    """Make keys, and say whom a coordinator lets in.

    Everybody makes a key where it is used, and gives away its .pub file: participants to the coordinator,
    which allows them, and the coordinator, whose key is called coordinator, to participants.
    """


@keys.command()
@click.argument("name", type=KeyName())
@_directory
def new(name: str, directory: Path) -> None:
    """Make the key of a participant, or of the coordinator (NAME coordinator)."""
    pair = KeyPair.new(name)
    key_files.write_pair(directory, pair)
    click.echo(f"{directory / name}.key  secret: it stays here")
    click.echo(f"{directory / name}.pub  {pair.public}")


@keys.command("list")
@_directory
def list_(directory: Path) -> None:
    """Show the keys that are here, and who is allowed."""
    allowed = key_files.read_allowed(directory) if (directory / key_files.ALLOWED).exists() else AllowList()
    rows = [(name, public, "allowed") for public, name in allowed.names.items()]
    for path in sorted(directory.glob("*.pub")):
        try:
            name, public = key_files.read_public_file(path)
        except UsageProblem as problem:
            click.echo(problem, err=True)
            continue
        if public not in allowed.names:
            rows.append(
                (name, public, "this coordinator" if name == key_files.COORDINATOR else "not allowed")
            )
    if not rows:
        click.echo(f"no keys in {directory}; make one with fedmeta keys new NAME", err=True)
    width = max((len(name) for name, _, _ in rows), default=0)
    for name, public, state in sorted(rows):
        click.echo(f"{name:<{width}}  {public}  {state}")


@keys.command()
@click.argument("name", type=KeyName())
@click.argument("public", required=False, metavar="[PUBLIC|FILE]")
@_directory
def allow(name: str, public: str | None, directory: Path) -> None:
    """Let a public key in under NAME; without PUBLIC that of NAME.pub beside the list.

    A coordinator that runs takes notice by itself.
    """
    if public is not None and not key_files.names_file(public):
        key = public
    else:
        path = Path(public) if public is not None else directory / f"{name}.pub"
        called, key = key_files.read_public_file(path)
        if called != name:
            raise UsageProblem(
                f"{path}: the key of {called}, not of {name}; allow it by its name or by the key itself"
            )
    added = key_files.allow(directory, name, key)
    click.echo(f"{name} is allowed{'' if added else ' already'}")


@keys.command()
@click.argument("name", type=KeyName())
@_directory
def revoke(name: str, directory: Path) -> None:
    """Let the key of NAME in no more, and end its part in a run that goes on."""
    key_files.revoke(directory, name)
    click.echo(f"{name} is not allowed any more")
