"""``miqa-node ranges``: what is usual on each scanner, what changed, and which series are unusual."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from miqa_node.core.domain.shown_number import shown_number
from miqa_node.features.usual_ranges.baseline import MeasurementRange, UnusualNumber
from miqa_node.features.usual_ranges.rows import baselines, confirmations
from miqa_node.features.usual_ranges.rows.baselines import NOT_ENOUGH, ScannerBaseline
from miqa_node.features.usual_ranges.rows.changes import ScannerChange, scanner_changes
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction

app = typer.Typer(no_args_is_help=True, help="What is usual on each scanner: list, show, confirm, withdraw.")

DAY = "%Y-%m-%d"


@app.command("list")
def list_(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    station: Annotated[str, typer.Option(metavar="NAME", help="Only those of this Station Name.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="Maximum number.")] = 100,
    offset: Annotated[int, typer.Option(metavar="N", min=0, help="Number of entries to skip.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List the histories of scanners, by station, and what changed on them."""
    with open_transaction(config, data_dir) as transaction:
        listed = baselines.page(transaction, datetime.now(UTC), station=station, limit=limit, offset=offset)
        total = baselines.count(transaction, station)
        changes = scanner_changes(transaction, station)
    if as_json:
        items, changed = [to_json(one) for one in listed], [to_json(one) for one in changes]
        print_json({"items": items, "total": total, "limit": limit, "offset": offset, "changes": changed})
        return
    print_table(
        (
            Column("History", whole=True), "Station", "Modality", "Protocol", "Software", Column("Series", number=True),
            "Since", "Until", Column("Unusual", number=True), "Level changed", "Serial number", "Authority",
        ),
        (_row(one) for one in listed),
    )  # fmt: skip
    _print_changes(changes)
    if total > len(listed):
        typer.echo(f"{len(listed)} of {total}", err=True)


@app.command()
def show(
    history: Annotated[str, typer.Argument(metavar="HISTORY", help="As the list has it.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the usual ranges of one history, its changes and its unusual series."""
    with open_transaction(config, data_dir) as transaction:
        one = baselines.load(transaction, history, datetime.now(UTC))
        unusual = baselines.unusual_series(transaction, history)
    if as_json:
        print_json({"baseline": to_json(one), "unusual": [to_json(series) for series in unusual]})
        return
    scanner = one.scanner
    print_line(scanner.station, scanner.modality, scanner.words)
    authority = f", authority {scanner.authority}" if scanner.authority else ""
    print_line(
        f"{scanner.device}, serial number {scanner.serial_number or '-'}{authority}, software {scanner.software or '-'}"
    )
    print_line(f"{one.series} series from {one.first_at:{DAY}} to {one.last_at:{DAY}}")
    if one.confirmation is not None:
        print_line(f"May flag: confirmed {one.confirmation.confirmed_at:{DAY}} by {one.confirmation.actor}.")
    for over in one.over_budget:
        print_line(
            f"{over.outside} of {over.series} series lie outside the range of {over.measurement}: more than may be "
            "flagged of a room (policy.room_budget), so it stays a hint."
        )
    _print_changes(one.changes)
    if not one.is_enough:
        few, days, soon = NOT_ENOUGH
        print_line(
            f"Nothing is usual or unusual below {few} series and {days} days. Noise, sharpness, contrast and exposure "
            f"of radiographs need {soon} days."
        )
    print_table(
        (
            "Measurement", Column("Median", number=True), Column("Usual", number=True), "Unit",
            Column("Series", number=True), Column("Outside", number=True), "Since", "Level changed",
        ),
        (_range_row(of) for of in one.ranges),
    )  # fmt: skip
    print_table(
        ("Unusual on", "Study", "Image", "What"),
        (
            (f"{of.at:{DAY}}", of.study_instance_uid, of.digest, "; ".join(map(_words, of.unusual)))
            for of in unusual
        ),
    )  # fmt: skip


@app.command()
def confirm(
    history: Annotated[str, typer.Argument(metavar="HISTORY", help="As the list has it.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let what lies beyond the ranges of a history ask for REVIEW, where the policy says so."""
    _decide(confirmations.confirm, history, actor, (config, data_dir), as_json=as_json)


@app.command()
def withdraw(
    history: Annotated[str, typer.Argument(metavar="HISTORY", help="As the list has it.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the ranges of a history hints again, that flag nothing."""
    _decide(confirmations.withdraw, history, actor, (config, data_dir), as_json=as_json)


def _decide(
    change: Callable[..., ScannerBaseline],
    history: str,
    actor: str | None,
    where: tuple[Path | None, Path | None],
    *,
    as_json: bool,
) -> None:
    with open_transaction(*where) as transaction:
        one = change(transaction, history, actor or login(), datetime.now(UTC))
    if as_json:
        print_json(to_json(one))
    elif one.confirmation is not None:
        print_line(f"The ranges of {one.scanner.station}, {one.scanner.words} may flag from now on.")
    else:
        print_line(f"The ranges of {one.scanner.station}, {one.scanner.words} are hints.")


def _row(one: ScannerBaseline) -> tuple[str, ...]:
    scanner, shift = one.scanner, one.newest_shift
    return (
        one.baseline, scanner.station, scanner.modality, scanner.words, scanner.software, str(one.series),
        f"{one.first_at:{DAY}}", f"{one.last_at:{DAY}}", str(one.unusual) if one.ranges else "",
        f"{shift:{DAY}}" if shift else "", scanner.serial_number, scanner.authority,
    )  # fmt: skip


def _range_row(one: MeasurementRange) -> tuple[str, ...]:
    number = partial(shown_number, one.measurement)
    shifts = "; ".join(f"{of.at:{DAY}}: {number(of.before)} to {number(of.after)}" for of in one.shifts)
    usual = f"{number(one.low)} to {number(one.high)}"
    return (
        one.measurement,
        number(one.median),
        usual,
        one.unit,
        str(one.series),
        str(one.outside),
        f"{one.since:{DAY}}",
        shifts,
    )


def _words(one: UnusualNumber) -> str:
    number = partial(shown_number, one.measurement)
    usual = f"usual {number(one.low)} to {number(one.high)} in {one.series} series since {one.since:{DAY}}"
    return f"{one.measurement} {number(one.value)} {one.unit} ({usual})"


def _print_changes(changes: Iterable[ScannerChange]) -> None:
    for one in changes:
        authority = f" ({one.authority})" if one.authority else ""
        print_line(
            f"{one.at:{DAY}}", f"{one.station}{authority}: {one.attribute} {one.before or '-'} became {one.now or '-'}."
        )
