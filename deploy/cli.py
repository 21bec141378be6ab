"""The command ``fedmeta``: subcommands that load only when they are used, errors as one line for people."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from protocol.errors import FedmetaError, UsageProblem

INTERRUPTED = 130

# The summaries stand here so that `fedmeta --help` imports none of the modules (torch takes seconds).
SUBCOMMANDS = {
    "run": ("deploy.run", "Run a scenario: coordinator and participants as processes of this machine."),
    "coordinator": ("coordinator.cli", "Start the coordinator of a federation."),
    "participant": ("participant.cli", "Take part in a federation."),
    "inspect": ("coordinator.reading.cli", "Read what happened in a run, or watch it."),
    "report": ("coordinator.reading.report.cli", "Write figures, tables and a page about a run, or several."),
    "reproduce": ("deploy.study.cli", "Run the paper's experiments, and report what they say."),
    "deploy": ("deploy.hosts.cli", "Run a federation on several hosts, over SSH."),
    "keys": ("deploy.keys", "Make keys, and say whom a coordinator lets in."),
    "data": ("participant.data.cli", "List, fetch and look at data sets."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when one of them is called: attribute NAME of its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        command = getattr(import_module(SUBCOMMANDS[cmd_name][0]), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in SUBCOMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"auto_envvar_prefix": "FEDMETA", "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="fedmeta", prog_name="fedmeta")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
def fedmeta(debug: bool) -> None:
    """Federated meta-learning as real processes, and the place where its backdoors and defences are studied.

    Every option can be an environment variable: FEDMETA_, the subcommand, the option, for instance
    FEDMETA_RUN_DEVICE=cpu. FEDMETA_DATA_DIR is the data folder of all of them.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 it is wrong, 3 the run failed, 130 interrupted."""
    sys.exit(_exit_code(list(sys.argv[1:] if arguments is None else arguments)))


def _exit_code(arguments: list[str]) -> int:
    debug = "--debug" in arguments or os.environ.get("FEDMETA_DEBUG", "") not in ("", "0")
    try:
        # Not fedmeta.main(), which answers a wrong command line on three lines and an interrupt with 1.
        with fedmeta.make_context("fedmeta", arguments) as context:
            fedmeta.invoke(context)
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return UsageProblem.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet()
    except click.ClickException as error:
        return _fail(_usage_line(error), UsageProblem.exit_code, debug)
    except FedmetaError as error:
        return _fail(str(error), error.exit_code, debug)
    except OSError as error:
        if error.errno == errno.EPIPE:
            return _quiet()
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", FedmetaError.exit_code, debug)
    except Exception as error:  # noqa: BLE001  (the outermost boundary: a bug is one line for people as well)
        from participant.device import more_memory, out_of_memory

        if out_of_memory(error):
            line = f"out of memory; {more_memory('cpu')}"
            return _fail(line, FedmetaError.exit_code, debug)
        line = f"a bug in fedmeta: {type(error).__name__}: {error} (--debug shows where)"
        return _fail(line, FedmetaError.exit_code, debug)


def _fail(line: str, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(f"fedmeta: {' '.join(line.split())}", err=True)
    return exit_code


def _usage_line(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    remedy = f" (see '{context.command_path} --help')" if context else ""
    return f"{error.format_message().rstrip('.')}{remedy}"


def _quiet() -> int:
    # Whoever read the output has seen enough. Python would flush stdout once more at exit, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
