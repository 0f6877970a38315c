"""The monthly report: the reject analysis of a month as one HTML file, one PDF and one CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from miqa_node import __version__
from miqa_node.core.domain.spreadsheet import csv_lines
from miqa_node.core.language.catalogue import reworded, say, spoken
from miqa_node.core.settings import Settings
from miqa_node.features.analysis import rejects, watch
from miqa_node.features.analysis.csv_files import reject_rows
from miqa_node.features.analysis.months import month_of
from miqa_node.features.analysis.pictures import MONTHS, reject_pictures, watch_pictures
from miqa_node.features.analysis.rows import rollup
from miqa_node.features.analysis.sheets import sheets_of
from miqa_node.runtime.site_records import rooms
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.report.sheets_html import write_html


@dataclass(frozen=True, slots=True)
class Report:
    """One month in three formats; without patient data."""

    month: str
    html: str
    pdf: bytes
    csv: str


def make_report(transaction: Transaction, month: str, settings: Settings, now: datetime | None = None) -> Report:
    """Bring the counts up to date and make the report of a month, such as "2026-10", in the site's language.

    The CSV is for programs: its columns, levels and reasons are always in English.

    Raises
    ------
    SettingsError
        ``month`` is not a month.
    """
    from miqa_node.stages.report.sheets_pdf import write_pdf  # noqa: PLC0415 - its library slows the start of a node

    made_at = now or datetime.now(UTC)
    period = month_of(month)
    rollup.refresh(transaction, made_at)
    analysis = rejects.analyse(transaction, period, settings.analysis)
    model_watch = watch.watch(transaction, period)
    news = rooms.unseen(transaction)
    site = settings.node.site or settings.node.name
    with spoken(settings.node.language):
        pictures = {**reject_pictures(analysis), **watch_pictures(model_watch)}
        sheets = sheets_of(analysis, model_watch, news)
        month_name = reworded(MONTHS[period.since.month - 1])
        title = say("Reject analysis {month} {year}", month=month_name, year=period.since.year)
    note = f"{site} · miqa-node {__version__} · {made_at:%Y-%m-%d}"
    html = write_html(title, note, sheets, pictures, settings.node.language)
    return Report(month, html, write_pdf(title, note, sheets, pictures), "".join(csv_lines(reject_rows(analysis))))
