"""``miqa-node sticky-notes``: what people left on studies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from miqa_node.features.sticky_notes import rows
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction

app = typer.Typer(no_args_is_help=True, help="Sticky notes on studies: list, add.")


@app.command("list")
def list_(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Maximum number.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List notes, newest first."""
    with open_transaction(config, data_dir) as transaction:
        listed = rows.newest(transaction, limit)
    if as_json:
        print_json([to_json(one) for one in listed])
        return
    shown = ((moment(one.at), one.study_instance_uid, one.actor, one.text) for one in listed)
    print_table((Column("When"), "Study", "By", "Note"), shown)


@app.command()
def add(
    study_uid: Annotated[str, typer.Argument(metavar="STUDY_UID", help="Study Instance UID.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The note.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Leave a note on a study."""
    with open_transaction(config, data_dir) as transaction:
        note = rows.leave(transaction, study_uid, text, actor or login(), datetime.now(UTC))
    if as_json:
        print_json(to_json(note))
    else:
        print_line("noted", study_uid)
