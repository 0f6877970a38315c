"""``miqa-node backup`` and ``miqa-node restore``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.audit import AuditEvent
from miqa_node.features.backup import work as backups
from miqa_node.interfaces.cli.actor import login
from miqa_node.interfaces.cli.exits import Exit
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, quiet_logs, settings_of
from miqa_node.interfaces.cli.output import print_json, print_line
from miqa_node.interfaces.cli.store import opened
from miqa_node.runtime.people.audit import records
from miqa_node.runtime.people.audit.records import AuditEntry
from miqa_node.runtime.store.site_store import objects_of, open_store

Folder = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Folder of the backup.")]


def backup(
    folder: Folder,
    deep: Annotated[bool, typer.Option("--deep", help="Read every object again, here and in the backup.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Back the node up while it works: database, objects, keys and a manifest with digests.

    A second backup into the same folder copies only new objects, and drops what was removed or erased; until it is
    complete, the last one stays as it is. With PostgreSQL make the dump of the database first (pg_dump); this command
    copies the objects. Exit code 1: the node has lost or damaged some, or cannot read them; the others
    are in the backup.
    """
    settings = settings_of(config, data_dir)
    with opened(config, data_dir) as database:
        made = backups.back_up(database, objects_of(settings), settings.node.data_dir, folder, deep=deep)
        detail = {"objects": made.objects, "bytes": made.size_bytes}
        detail |= {word: len(lines) for word, lines in made.faults.items() if lines}
        with database.begin() as transaction:
            records.add(
                transaction, AuditEntry(AuditEvent.BACKED_UP, datetime.now(UTC), login(), "command", detail=detail)
            )
        complete = database.is_sqlite
    if as_json:
        print_json(
            {
                "objects": made.objects,
                "bytes": made.size_bytes,
                "copied": made.copied,
                "database": complete,
                **made.faults,
            }
        )
    else:
        for word, lines in made.faults.items():
            _print_lines(word, lines)
        print_line(f"objects: {made.objects}, copied now: {made.copied}; {made.size_bytes >> 20} MiB in {folder}")
        if not complete:
            print_line("The database is on PostgreSQL: keep its dump beside this backup.")
    if any(made.faults.values()):
        raise typer.Exit(Exit.FAILED)


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, exists=True, help="Folder of the backup.")],
    verify: Annotated[bool, typer.Option("--verify", help="Only compare the backup with its manifest.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Put a backup into an empty data directory, comparing each file with the manifest; start the node afterwards.

    With PostgreSQL load the dump first (pg_restore); this command brings the objects back. Exit code 1 of --verify: a
    file is missing or was changed, or the node had lost or damaged objects when the backup was made.
    """
    if verify:
        _verify(folder)
        return
    settings = settings_of(config, data_dir)
    quiet_logs(settings)
    with_database = not settings.store.database_url
    database, objects = open_store(settings)
    database.close()
    count = backups.restore(folder, settings.node.data_dir, objects, with_database=with_database)
    _print_lines("not restored, because the node had", backups.lacking(folder))
    print_line(f"restored: {count} objects. Check with miqa-node fsck, then start the node.")


def _verify(folder: Path) -> None:
    """Exit code 1 unless the backup is unchanged and has all that the node should have had."""
    faults, lacks = list(backups.check_backup(folder)), backups.lacking(folder)
    for fault in faults:
        print_line(fault)
    _print_lines("not in the backup, because the node had", lacks)
    if not faults and not lacks:
        print_line("The backup is complete and unchanged.")
        return
    if not faults:
        number = "1 object" if len(lacks) == 1 else f"{len(lacks)} objects"
        print_line(f"The backup is not complete: it lacks {number}. What it has is unchanged.")
    raise typer.Exit(Exit.FAILED)


def _print_lines(what: str, lines: Sequence[str]) -> None:
    for line in lines:
        print_line(f"{what} {line}")
