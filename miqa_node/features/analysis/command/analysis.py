"""``miqa-node analysis``: reject analysis and monitoring of the model, as tables, reports and exports."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, TextIO

import typer

from miqa_node.core.domain.reject_log import MAX_LOG_BYTES
from miqa_node.core.domain.spreadsheet import csv_lines
from miqa_node.core.files.whole_file import whole_file, write_whole
from miqa_node.core.settings.log_mapping import load_mapping, mappings
from miqa_node.errors import QueryError
from miqa_node.features.analysis.log_import import LogPreview, keep, mapping_folder, preview, read
from miqa_node.features.analysis.months import month_before, month_of
from miqa_node.features.analysis.rejects import analyse
from miqa_node.features.analysis.rows import census, reject_logs, rollup, sql_views
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.watch import watch
from miqa_node.interfaces.cli.actor import Actor, login
from miqa_node.interfaces.cli.options import AsJson, ConfigFile, DataDir, read_day, settings_of
from miqa_node.interfaces.cli.output import Column, print_json, print_line, print_table, to_json
from miqa_node.interfaces.cli.store import open_transaction
from miqa_node.libraries.plain_statistics.rates import Rate
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Transaction

app = typer.Typer(
    no_args_is_help=True,
    help="Reject analysis and model watch: rejects, model, report, export, import, logs, remove-log, mappings.",
)

Month = Annotated[str, typer.Option(metavar="YYYY-MM", help="A whole month; default is the last 30 days.")]
MOST_PRINTED = 12


class Table(StrEnum):
    """What can be exported; docs/reference/analysis-schema.md describes each."""

    IMAGES = "images"
    DAYS = "days"
    LABELS = "labels"
    LABEL_FINDINGS = "label_findings"
    FINDINGS = "findings"
    MEASUREMENTS = "measurements"
    LOGGED_REJECTS = "logged_rejects"


@app.command()
def rejects(
    month: Month = "",
    modality: Annotated[str, typer.Option(metavar="CS", help="As (0008,0060) writes it.")] = "",
    room: Annotated[str, typer.Option(metavar="NAME", help="One room only.")] = "",
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print reject rates with their intervals: of everything, by room and by reason."""
    settings = settings_of(config, data_dir)
    with open_transaction(config, data_dir) as transaction:
        period = replace(_period(transaction, month), modality=modality, room=room)
        analysis = analyse(transaction, period, settings.analysis)
    if as_json:
        print_json(to_json(analysis))
        return
    days = f"{period.since} to {period.until - timedelta(days=1)}"
    read = analysis.coverage
    print_line(f"decided {read.count} of {read.total} flagged images")
    print_line(
        f"{days}: {analysis.total.images} images,", _text(analysis.rejected), f"rejected, {analysis.level.value}"
    )
    print_line("counted:", "; ".join(analysis.sources))
    print_table(
        ("Reason", Column("Images", number=True), Column("Of all images", number=True)),
        ((one.words, str(one.of_images.count), _text(one.of_images)) for one in analysis.reasons[:MOST_PRINTED]),
    )
    print_table(
        ("Room", Column("Images", number=True), Column("Rejected", number=True), Column("Repeated", number=True), ""),
        (
            (one.value, str(one.images), _text(one.rejected), _text(one.repeated), one.level.value)
            for one in analysis.groups["room"][:MOST_PRINTED]
        ),
    )


@app.command()
def model(month: Month = "", config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Print how the model performs: precision, missed images, agreement, drift, recurring places."""
    with open_transaction(config, data_dir) as transaction:
        figures = watch(transaction, _period(transaction, month, labels.newest_at(transaction)))
    if as_json:
        print_json(to_json(figures))
        return
    print_line("flagged images that people confirmed:", _text(figures.precision), f"of {figures.precision.total}")
    print_line("audited images that were bad though accepted:", _text(figures.missed), f"of {figures.missed.total}")
    if figures.second_readings.observed is not None:
        kappa = "–" if figures.second_readings.kappa is None else f"{figures.second_readings.kappa:.2f}"
        print_line(f"two readers agree: {100 * figures.second_readings.observed:.1f} %, kappa {kappa}")
    print_table(
        ("Measurement", Column("PSI", number=True), "Says"),
        ((one.measurement, f"{one.drift.psi:.3f}", one.drift.word)
         for one in figures.drifts[:MOST_PRINTED] if one.drift.psi is not None),
    )  # fmt: skip
    if few := [one.measurement for one in figures.drifts if one.drift.psi is None]:
        print_line("too few images then or now to compare:", ", ".join(few))
    for place in figures.recurrences:
        print_line(f"{place.detector}: {place.patients} of {place.seen} patients show a defect at "
                   f"{100 * place.x:.0f} % across, {100 * place.y:.0f} % down")  # fmt: skip


@app.command()
def report(
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Which month; default is the one before this.")] = "",
    out: Annotated[
        Path, typer.Option(metavar="FILE|DIR", help="A .html, .pdf or .csv file, or a folder for all three.")
    ] = Path(),
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write the monthly report as HTML, PDF and CSV."""
    from miqa_node.features.analysis.report import make_report  # loads jinja2, which only this command needs

    settings = settings_of(config, data_dir)
    with open_transaction(config, data_dir) as transaction:
        made = make_report(transaction, month or month_before(settings.node.day(datetime.now(UTC))), settings)
    forms = {".html": made.html.encode(), ".pdf": made.pdf, ".csv": made.csv.encode()}
    if out.suffix in forms:
        files = {out: forms[out.suffix]}
    else:
        files = {out / f"rejects-{made.month}{suffix}": data for suffix, data in forms.items()}
    for file, data in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, data)
        typer.echo(str(file))


@app.command()
def export(
    table: Annotated[
        Table,
        typer.Argument(
            metavar="VIEW", help="images, days, labels, label_findings, findings, measurements or logged_rejects."
        ),
    ],
    since: Annotated[str, typer.Option(metavar="DAY", help="First day, as 2026-10-01.")] = "",
    until: Annotated[str, typer.Option(metavar="DAY", help="Last day.")] = "",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of printing.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write one view of the analysis as CSV; its columns are described in docs/reference/analysis-schema.md."""
    first, last = read_day(since) if since else date.min, read_day(until) if until else date.max
    with open_transaction(config, data_dir) as transaction:
        rollup.refresh(transaction, datetime.now(UTC))
        columns, rows = sql_views.read(transaction, table.value, first, last)
        if out is None:
            _write_rows(sys.stdout, columns, rows)
            return
        with whole_file(out) as part, part.open("w", newline="", encoding="utf-8") as stream:
            written = _write_rows(stream, columns, rows)
    typer.echo(f"{out}: {written} rows", err=True)


def _write_rows(stream: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    written = -1  # the heads are no row
    for line in csv_lines(chain([columns], rows)):
        stream.write(line)
        written += 1
    return written


@app.command("import")
def import_(
    log: Annotated[Path, typer.Argument(metavar="CSV", exists=True, dir_okay=False, help="The modality's export.")],
    mapping: Annotated[
        str, typer.Option(metavar="NAME", help="How to read it; miqa-node analysis mappings lists them.")
    ] = "generic",
    room: Annotated[str, typer.Option(metavar="NAME", help="Room of all rows, if the log names none.")] = "",
    only_preview: Annotated[bool, typer.Option("--preview", help="Say what was understood, and keep nothing.")] = False,
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Import the reject log of a modality, which knows of images that never arrived; names and IDs are not kept."""
    settings = settings_of(config, data_dir)
    if log.stat().st_size > MAX_LOG_BYTES:
        raise QueryError(f"{log.name} is larger than {MAX_LOG_BYTES >> 20} MiB. Export fewer days.")
    with open_transaction(config, data_dir) as transaction:
        reading = read(settings, log.read_bytes(), mapping, room)
        done = preview(transaction, reading) if only_preview or reading.faults else None
        done = done or keep(transaction, reading, actor or login())
    if as_json:
        print_json(to_json(done))
    else:
        _print_log(done, is_import=not (only_preview or reading.faults))
    if reading.faults:
        raise typer.Exit(1)


@app.command()
def logs(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List imported reject logs."""
    with open_transaction(config, data_dir) as transaction:
        rows = reject_logs.listed(transaction)
    if as_json:
        print_json([to_json(one) for one in rows])
        return
    print_table(
        (Column("Log", number=True), "Rooms", "From", "To", Column("Rejects", number=True), "Mapping", "By"),
        ((str(one.log_id), ", ".join(one.rooms), str(one.since), str(one.until), str(one.rejects), one.mapping,
          one.imported_by) for one in rows),
    )  # fmt: skip


@app.command("remove-log")
def remove_log(
    log_id: Annotated[int, typer.Argument(metavar="LOG", min=1, help="Its number.")],
    actor: Actor = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Take the import of a reject log back, with all its rows."""
    with open_transaction(config, data_dir) as transaction:
        log = reject_logs.remove(transaction, log_id, actor or login(), datetime.now(UTC))
    print_line(f"log {log_id}: {log.rejects} rejects are not counted any more")


@app.command("mappings")
def mappings_(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the mappings by which reject logs can be read, with the files that define them."""
    folder = mapping_folder(settings_of(config, data_dir))
    files = mappings(folder)
    titles = {name: load_mapping(name, folder).title for name in files}
    if as_json:
        print_json([{"name": name, "title": titles[name], "file": str(path)} for name, path in files.items()])
        return
    for name, path in files.items():
        print_line(f"{name}: {titles[name]}")
        print_line("   ", str(path))


def _print_log(done: LogPreview, *, is_import: bool) -> None:
    for fault in done.faults:
        print_line(f"line {fault.line}: {fault.text}")
    if done.faults:
        print_line("Nothing was imported, because rows cannot be understood.")
        return
    verb = "imported" if is_import else "can be imported"
    new = done.rejects - done.known
    print_line(f"{new} rejects {verb}, {done.known} were known, {done.skipped} rows are no rejects")
    if done.since:
        print_line(f"days: {done.since} to {done.until}")
    for one in done.rooms:
        hint = "" if one.has_images else "; no image of this room has arrived, so they are in no rate"
        print_line(f"room {one.room}: {one.rejects} rejects{hint}")
    print_table(
        ("Reason", "Code", "Finding", Column("Rejects", number=True)),
        ((one.reason, one.code, one.finding, str(one.rejects)) for one in done.reasons),
    )
    for words, count in done.other_words:
        print_line(f"unknown reason {words!r} counts as other: {count}")
    if done.dropped:
        print_line("columns not kept:", ", ".join(done.dropped))


def _period(transaction: Transaction, month: str, label_at: datetime | None = None) -> Period:
    """The days of a month; without one the last 30 days with images, or up to the label given last."""
    now = datetime.now(UTC)
    rollup.refresh(transaction, now)
    if month:
        return month_of(month)
    span = census.span(transaction, now)
    last = span[1] if span else now.date()
    if label_at is not None:
        last = max(last, label_at.date())
    return Period(last - timedelta(days=29), last + timedelta(days=1))


def _text(rate: Rate) -> str:
    if rate.share is None or rate.low is None or rate.high is None:
        return "–"
    return f"{100 * rate.share:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f})"
