"""All commands in one place: name, function and the group that ``--help`` shows it under."""

from __future__ import annotations

from typing import Annotated

import typer

from miqa_node import __version__
from miqa_node.cli import (
    analysis,
    assess,
    calibrate,
    deidentify,
    deliveries,
    doctor,
    enhance,
    evaluate,
    explain,
    labels,
    migrate,
    models,
    pneumonia,
    reference,
    run_node,
    selftest,
    send,
    train,
    train_classifier,
    users,
    worklist,
)
from miqa_node.cli.exits import Exit, code_of
from miqa_node.errors import MiqaError

_SERVE, _LOOK, _MODELS = "Run and maintain", "Look and decide", "Models"

app = typer.Typer(
    name="miqa-node",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, and with them patient data
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", rich_help_panel=_SERVE)(run_node.run)
app.command("doctor", rich_help_panel=_SERVE)(doctor.doctor)
app.command("migrate", rich_help_panel=_SERVE)(migrate.migrate)
app.command("selftest", rich_help_panel=_SERVE)(selftest.selftest)
app.add_typer(users.app, name="users", rich_help_panel=_SERVE)
app.command("assess", rich_help_panel=_LOOK)(assess.assess)
app.command("enhance", rich_help_panel=_LOOK)(enhance.enhance)
app.command("send", rich_help_panel=_LOOK)(send.send)
app.command("explain", rich_help_panel=_LOOK)(explain.explain)
app.add_typer(deliveries.app, name="deliveries", rich_help_panel=_LOOK)
app.add_typer(worklist.app, name="worklist", rich_help_panel=_LOOK)
app.add_typer(analysis.app, name="analysis", rich_help_panel=_LOOK)
app.add_typer(labels.app, name="labels", rich_help_panel=_LOOK)
app.add_typer(models.app, name="models", rich_help_panel=_MODELS)
app.command("calibrate", rich_help_panel=_MODELS)(calibrate.calibrate)
train.app.command("classifier")(train_classifier.classifier)
train.app.command("pneumonia")(pneumonia.train)
evaluate.app.command("pneumonia")(pneumonia.evaluate)
app.add_typer(train.app, name="train", rich_help_panel=_MODELS)
app.add_typer(evaluate.app, name="evaluate", rich_help_panel=_MODELS)
app.command("deidentify", rich_help_panel=_MODELS)(deidentify.deidentify)
app.command("reference", hidden=True)(reference.reference)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"miqa-node {__version__}")
        raise typer.Exit


@app.callback()
def about(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Tells within seconds whether a medical image is technically usable.

    Every setting can be given in a file (--config) or as environment variable MIQA_<TABLE>__<KEY>.
    """


def run(arguments: list[str]) -> int:
    """Run one command; its exit code. Errors that the node raises on purpose are printed without a traceback."""
    try:
        app(args=arguments, prog_name="miqa-node")
    except MiqaError as error:
        typer.echo(f"miqa-node: {error}", err=True)
        return code_of(error)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.OK
    return Exit.OK
