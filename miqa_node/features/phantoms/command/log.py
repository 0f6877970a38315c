"""``miqa-node phantoms log …``: the log of what was measured of phantoms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, read_day
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction, opened

if TYPE_CHECKING:
    from miqa_node.features.phantoms.history import ScanSignature

SeriesUid = Annotated[str, typer.Argument(metavar="SERIES_UID", help="Series Instance UID.")]
KindStudyUid = Annotated[
    str, typer.Option("--study", metavar="UID", help="In this study only; else in each with the UID.")
]
History = Annotated[str, typer.Argument(metavar="HISTORY", help="Name of a row, as 'phantoms log' prints it.")]
OneOrAll = Annotated[str, typer.Argument(metavar="[HISTORY]", help="Name of a row; all without it.")]
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Kept with the signature.")]
Stack = Annotated[int, typer.Option(metavar="N", min=0, help="Of a series with several stacks of slices, from 0.")]
Edge = Annotated[float | None, typer.Option(metavar="VALUE", help="In the unit of the value.")]


def log(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print one row for each machine, protocol and phantom: the newest scan and what limits say of it."""
    from miqa_node.features.phantoms.rows import log as rows
    from miqa_node.features.phantoms.summary import log_row

    with open_transaction(config, data_dir) as transaction:
        listed = [log_row(one) for one in rows.all_of(transaction)]
    if as_json:
        print_json({"items": [to_json(one) for one in listed], "total": len(listed)})
        return
    print_table(
        (Column("History"), "Machine", "Protocol", "Phantom", "Scans", "Last", "Limits", "Not measured", "Seen by"),
        (
            (
                one.history,
                one.origin.words,
                one.origin.protocol_words,
                one.kind,
                str(one.scans),
                str(one.last.acquired_at.date()),
                one.last.level.value,
                "; ".join(f"{value.name}: {value.reason}" for value in one.last.not_measured),
                _seen_by(one.last.signatures),
            )
            for one in listed
        ),
    )


def _seen_by(signatures: Sequence[ScanSignature]) -> str:
    """Who signed last, and whether that was of other values."""
    if not signatures:
        return ""
    last = signatures[-1]
    return f"{last.actor} (measured again since)" if last.is_of_before else last.actor


def values(
    history: OneOrAll = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print all values of all scans, as CSV; with --json one row of the log with its scans."""
    from miqa_node.features.phantoms.csv_file import lines
    from miqa_node.features.phantoms.rows import log as rows
    from miqa_node.features.phantoms.summary import log_detail

    with open_transaction(config, data_dir) as transaction:
        histories = rows.all_of(transaction, history)
    if as_json:
        print_json([to_json(log_detail(one)) for one in histories])
        return
    for line in lines(histories):
        typer.echo(line, nl=False)


def kind(
    series_uid: SeriesUid,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as acr_mr_large or catphan_504.")],
    study: KindStudyUid = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Say which phantom a series shows: it is measured again, as one of that kind."""
    from miqa_node.features.phantoms.statement import name_kind
    from miqa_node.runtime.work.queue import DurableQueue

    with opened(config, data_dir) as database:
        queue = DurableQueue(database, lambda: "")
        with database.begin() as transaction:
            name_kind(transaction, queue, series_uid, study, kind, actor or login(), datetime.now(UTC))
    print_line(kind, series_uid)


def sign(
    series_uid: SeriesUid,
    study: Annotated[str, typer.Option("--study", metavar="UID", help="Study Instance UID.")],
    stack: Stack = 0,
    comment: Comment = "",
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Record that somebody looked at the values of a scan: name and date, no electronic signature."""
    from miqa_node.features.phantoms.history import ScanKey
    from miqa_node.features.phantoms.rows import records

    by = actor or login()
    with open_transaction(config, data_dir) as transaction:
        records.sign(transaction, ScanKey(study, series_uid, stack), by, comment, datetime.now(UTC))
    print_line("seen", by, series_uid)


def limits(
    history: History,
    name: Annotated[str, typer.Argument(metavar="VALUE", help="Name of a value, such as piu_percent.")],
    low: Edge = None,
    high: Edge = None,
    warn_reach: Edge = None,
    fail_reach: Edge = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="For all rows with this kind of phantom.")] = False,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Set limits of a value, or take them away if none is given; reaches are distances from its baseline."""
    from miqa_node.features.phantoms.history import ValueLimits
    from miqa_node.features.phantoms.rows import log as rows
    from miqa_node.features.phantoms.rows import records

    with open_transaction(config, data_dir) as transaction:
        kind = rows.load(transaction, history).kind
        of = "" if everywhere else history
        now, by = datetime.now(UTC), actor or login()
        records.set_limits(transaction, ValueLimits(kind, of, name, low, high, warn_reach, fail_reach, by, now))
    print_line("limits", name)


def change(
    history: History,
    day: Annotated[date, typer.Argument(parser=read_day, metavar="DAY", help="Since when.")],
    what: Annotated[str, typer.Argument(metavar="WHAT", help="What was changed: a new tube, another phantom …")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Record what was changed at the machine of a row and no header tells: its baselines begin anew."""
    from miqa_node.features.phantoms.rows import log as rows
    from miqa_node.features.phantoms.rows import records

    with open_transaction(config, data_dir) as transaction:
        machine = rows.load(transaction, history).machine
        records.note_change(transaction, machine, day, what, actor or login(), datetime.now(UTC))
    print_line("changed", str(day), what)
