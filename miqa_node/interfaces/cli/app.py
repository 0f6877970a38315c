"""The program ``miqa-node``: runs one command of the seam ``miqa.commands`` and returns its exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from miqa_node import __version__, plugins
from miqa_node.core import process
from miqa_node.errors import MiqaError
from miqa_node.interfaces.cli.command import COMMANDS, CommandGroup
from miqa_node.interfaces.cli.exits import Exit, code_of, reason_of

app = typer.Typer(
    name="miqa-node",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would print local variables, and with them patient data
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"miqa-node {__version__}")
        raise typer.Exit


@app.callback()
def about(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Checks within seconds whether a medical image is technically usable.

    Every setting can be given in a file (--config) or as environment variable MIQA_<TABLE>__<KEY>.
    """


def main() -> None:
    """Entry point ``miqa-node``."""
    os.umask(0o077)  # what a command writes names patients, or may: it is for the user who ran it; "run" widens it
    if sys.argv[1:2] != ["train"]:  # training computes one thing at a time, with all cores
        process.prepare()
    process.forbid_core_dumps()
    process.silence_libraries()
    process.prepare_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. Errors of the node and of the system's files are printed without a traceback."""
    try:
        _allow_plugins(arguments)
        app(args=arguments, prog_name="miqa-node")
    except MiqaError as error:
        typer.echo(f"miqa-node: {error}", err=True)
        return code_of(error)
    except OSError as error:
        typer.echo(f"miqa-node: {reason_of(error)}", err=True)
        return Exit.UNAVAILABLE
    except KeyboardInterrupt:  # before or after the command itself, which has its own answer
        return Exit.INTERRUPTED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.OK
    except Exception as error:
        # Libraries that use the database by themselves, such as the queue's, raise errors of their own.
        if not (sentence := _unanswered(error)):
            raise
        typer.echo(f"miqa-node: {sentence}", err=True)
        return Exit.UNAVAILABLE
    return Exit.OK


def _unanswered(error: Exception) -> str:
    """That the database did not answer; empty for another error."""
    from miqa_node.runtime.store.database import unanswered

    return unanswered(error)


def _allow_plugins(arguments: list[str]) -> None:
    """Apply plugins.allow before commands of other distributions are listed; without any, no settings are read."""
    if all(plugins.is_own(entry) for entry in plugins.entries_beside(COMMANDS.group)):
        return
    from miqa_node.interfaces.cli.options import settings_of

    following = zip(arguments, [*arguments[1:], ""], strict=True)
    files = [word.partition("=")[2] or after for word, after in following if word.partition("=")[0] == "--config"]
    file = files[0] if files else os.environ.get("MIQA_CONFIG", "")
    try:
        settings_of(Path(file) if file else None)
    except MiqaError:  # the command says what is wrong with them
        plugins.allow([])
