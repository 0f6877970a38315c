"""``miqa-node audit``: shows, exports and verifies the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from miqa_node.core.domain.audit import AuditEvent, AuditFilter, AuditRecord
from miqa_node.core.files.whole_file import whole_file
from miqa_node.core.keys.signing import KEY_FILE, Signer
from miqa_node.errors import BackupError
from miqa_node.features.audit import rows as chain
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, Authority, ConfigFile, DataDir, moment_option, settings_of
from miqa_node.interfaces.cli.output import Column, moment, print_json, print_line, print_table
from miqa_node.interfaces.cli.store import opened
from miqa_node.runtime.people.audit import marks, records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.database import Database

app = typer.Typer(no_args_is_help=True, help="The audit trail: show, export, verify.")

Since = Annotated[datetime | None, moment_option("From: a time, or 90m, 24h, 7d ago.", "--since")]
Until = Annotated[datetime | None, moment_option("Before: a time, or 90m, 24h, 7d ago.", "--until")]


@app.command()
def show(
    event: Annotated[AuditEvent | None, typer.Option("--event", metavar="EVENT", help="Only this event.")] = None,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Account, AE title or login.")] = "",
    study: Annotated[str, typer.Option("--study", metavar="UID", help="Study Instance UID.")] = "",
    patient: Annotated[str, typer.Option("--patient", metavar="ID", help="Patient ID, unless erased.")] = "",
    authority: Authority = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Maximum number of records.")] = 50,
    actor: Actor = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show records, newest first; that somebody looked is recorded, too."""
    chosen = AuditFilter(
        event or "", by, study, patient, records.moment(since) if since else "",
        records.moment(until) if until else "", limit=limit, authority=authority,
    )  # fmt: skip
    with opened(config, data_dir) as database:
        with database.begin() as transaction:
            rows = records.select(transaction, chosen)
        _note(database, "show", actor)
    if as_json:
        for row in rows:
            print_json(_document(row))
        return
    print_table(
        (Column("No.", number=True), "At", "Event", "By", "From", "Study", "Patient", "Detail"),
        ((str(row.number or "–"), moment(datetime.fromisoformat(row.at)), row.event, row.actor, row.peer,
          row.study, row.patient[:8], records.words(row)) for row in rows),
    )  # fmt: skip


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="File to write.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write all sealed records as JSON Lines; the last line is the signed head of the chain.

    Keep exports away from the node: verify --against shows whether the trail still holds what they hold.
    """
    with opened(config, data_dir) as database:
        with database.begin() as transaction:
            head = marks.read(transaction, marks.HEAD)
        number, last = 0, head.number if head is not None else 0
        with whole_file(out) as part, part.open("w", encoding="utf-8") as file:
            part.chmod(0o600)
            while number < last:
                with database.begin() as transaction:
                    rows = [row for row in records.after(transaction, number, chain.BATCH) if row.number <= last]
                if not rows:
                    break
                file.writelines(_line(_document(row)) for row in rows)
                number = rows[-1].number
            file.write(_line({"head": dict(head.document) if head is not None else {}}))
        _note(database, "export", actor)
    print_line(f"exported up to record {number}: {out}")


@app.command()
def verify(
    public_key: Annotated[
        list[str] | None,
        typer.Option("--public-key", metavar="BASE64", help="Of another machine that seals records; repeatable."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", exists=True, dir_okay=False, help="An export made before."),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Check that no record was changed, removed or inserted since it was sealed; name each that was."""
    own = Signer.open(settings_of(config, data_dir).node.data_dir / KEY_FILE).public_key
    with opened(config, data_dir) as database:
        check = chain.check(database, {own, *(public_key or ())})
        faults = [*check.faults, *(_differences(database, against) if against is not None else ())]
    for fault in faults:
        print_line(fault)
    if faults:
        raise typer.Exit(Exit.FAILED)
    print_line(f"unbroken: records {check.first} to {check.last}; not sealed yet: {check.unsealed}")


def _differences(database: Database, against: Path) -> Iterable[str]:
    """Records of an export that the trail no longer holds as they were; those that were pruned are not compared."""
    with database.begin() as transaction:
        checkpoint = marks.read(transaction, marks.CHECKPOINT)
    number = checkpoint.number if checkpoint is not None else 0
    there: dict[int, str] = {}
    with against.open(encoding="utf-8") as file:
        for line in file:
            try:
                entry: dict[str, Any] = json.loads(line)
                if "head" in entry or entry["number"] <= number:
                    continue
                if entry["number"] not in there:
                    with database.begin() as transaction:
                        rows = records.after(transaction, entry["number"] - 1, chain.BATCH)
                    there = {row.number: row.sha256 for row in rows}
                if there.get(entry["number"]) != entry["sha256"]:
                    yield f"record {entry['number']} of {entry['at']} differs from {against.name}"
            except (ValueError, KeyError, TypeError) as error:
                raise BackupError(f"{against.name} is not an export of the audit trail.") from error


def _note(database: Database, how: str, actor: str | None) -> None:
    entry = AuditEntry(AuditEvent.AUDIT_SEEN, datetime.now(UTC), actor or login(), "command", detail={"how": how})
    with database.begin() as transaction:
        records.add(transaction, entry)


def _document(row: AuditRecord) -> dict[str, Any]:
    return {**asdict(row), "detail": json.loads(row.detail)}


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"
