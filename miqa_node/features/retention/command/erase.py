"""``miqa-node erase``: erases a patient and proves it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.files.whole_file import write_whole
from miqa_node.core.keys.signing import KEY_FILE, Signer, read_signed, verify
from miqa_node.core.settings import Settings
from miqa_node.features.retention.command.whom import show_patients
from miqa_node.features.retention.rows import erasure, patient_choice
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import Authority, ConfigFile, DataDir, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_line, print_table
from miqa_node.interfaces.cli.store import open_transaction, opened
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import objects_of

app = typer.Typer(no_args_is_help=True, help="Erase a patient, with a signed proof: patient, list, proof, verify.")

Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="Write the proof to a file.")]


@app.command()
def patient(
    patient_id: Annotated[str, typer.Argument(metavar="PATIENT_ID", help="Patient ID (0010,0020).")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; part of the proof.")] = "",
    authority: Authority = None,
    with_unknown: Annotated[
        bool,
        typer.Option("--with-unknown", help="Also studies of this ID of which nobody knows any more who assigned it."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it the command only says what there is.")] = False,
    out: Out = None,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Erase images, results and identification of a patient; counts stay. Prints a signed proof.

    Archives, backups and the copies of a bucket's objects on other machines are not reached.
    """
    settings = settings_of(config, data_dir)
    with opened(config, data_dir) as database:
        if not yes:
            with database.begin() as transaction:
                show_patients(patient_choice.named(transaction, patient_id))
                chosen = patient_choice.choose(transaction, patient_id, authority, with_unknown=with_unknown)
            print_line(f"studies: {sum(one.studies for one in chosen)}. Erase them with --yes and --reason.")
            return
        now = datetime.now(UTC)
        with database.begin() as transaction:
            record = erasure.erase(
                transaction,
                patient_id,
                reason,
                actor or login(),
                now,
                authority=authority,
                with_unknown=with_unknown,
            )
        _end(settings, database, record, out, patient_id)


@app.command("list")
def list_(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """List erasures, newest first."""
    with open_transaction(config, data_dir) as transaction:
        records = erasure.select(transaction)
    print_table(
        (Column("ID", number=True), "At", "By", "Reason", Column("Studies", number=True),
         Column("Images", number=True), Column("Results", number=True)),
        ((str(one.erasure_id), moment(one.at), one.actor, one.reason, str(one.studies), str(len(one.images)),
          str(len(one.results))) for one in records),
    )  # fmt: skip


@app.command()
def proof(
    erasure_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the erasure, as list shows it.")],
    out: Out = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Finish an erasure that was interrupted, check that its files are gone, and print its proof again."""
    with opened(config, data_dir) as database:
        with database.begin() as transaction:
            record = erasure.load(transaction, erasure_id)
        _end(settings_of(config, data_dir), database, record, out)


@app.command("verify")
def verify_(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The proof.")],
    public_key: Annotated[
        str, typer.Option("--public-key", metavar="BASE64", help="Of the node that signed; default is this node's.")
    ] = "",
    patient_id: Annotated[str, typer.Option("--patient", metavar="ID", help="Check that it is about this one.")] = "",
    authority: Authority = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Check the signature of a proof."""
    key = public_key or Signer.open(settings_of(config, data_dir).node.data_dir / KEY_FILE).public_key
    document = verify(read_signed(file), key)
    if document.get("what") != erasure.PROOF:
        print_line("The signature is valid, but this is no proof of an erasure.")
        raise typer.Exit(Exit.FAILED)
    if patient_id and not erasure.names(document, patient_id, authority):
        print_line("The signature is valid, but the proof is about another patient.")
        raise typer.Exit(Exit.FAILED)
    print_line(f"valid: erasure {document.get('erasure')} of {document.get('at')} by {document.get('actor')}")


def _end(
    settings: Settings, database: Database, record: erasure.ErasureRecord, out: Path | None, patient_id: str = ""
) -> None:
    """Print the proof, and on the error stream what else there is to do; exit code 7 if there is no proof."""
    from miqa_node.features.retention.work.erasures import finish

    finished = finish(settings, database, objects_of(settings), record, patient_id)
    watched = finished.watched
    for file in watched.waiting:
        typer.echo(f"watched folder: {file} is the patient's and waits to be received; remove it.", err=True)
    for file in watched.unread:
        typer.echo(f"watched folder: nobody can tell whose {file} is; look at it.", err=True)
    if finished.proof is None:
        for name in finished.unknown:
            typer.echo(f"not reached, because this version does not know it: {name}", err=True)
        typer.echo(
            f"Erased, but not proved. Look at these tables, name them in retention.foreign_tables, or erase with the "
            f"version that made them; then: miqa-node erase proof {record.erasure_id}",
            err=True,
        )
        raise typer.Exit(Exit.UNPROVED)
    text = json.dumps(finished.proof, ensure_ascii=False, indent=1)
    if out is None:
        typer.echo(text)
        return
    write_whole(out, text + "\n")
    print_line(f"erased; the proof is in {out}")
