"""Makes the monthly reports, and keeps them in the object store, so every machine of the node shows the same report."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from miqa_node.core.domain.object_store import ObjectStore
from miqa_node.core.settings import Settings
from miqa_node.errors import QueryError
from miqa_node.features.analysis.months import month_before
from miqa_node.features.analysis.report import Report, make_report
from miqa_node.features.analysis.rows import reports
from miqa_node.runtime.store.database import Database


class Form(StrEnum):
    """File format of a report."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"


MEDIA_TYPES = {
    Form.HTML: "text/html; charset=utf-8",
    Form.PDF: "application/pdf",
    Form.CSV: "text/csv; charset=utf-8",
}


def key(month: str, form: Form) -> str:
    """Key of one form of a report in the object store."""
    return f"reports/rejects-{month}.{form.value}"


def make_month(database: Database, settings: Settings, month: str, form: Form, at: datetime) -> bytes:
    """The report of a month as of ``at``; the current month is allowed. Nothing is stored.

    Raises
    ------
    QueryError
        ``month`` is not a month, or has not begun.
    """
    if month > f"{settings.node.day(at):%Y-%m}":
        raise QueryError("{month} has not begun.", month=month)
    with database.begin() as transaction:
        return _forms(make_report(transaction, month, settings, at))[form]


def keep_last_month(database: Database, objects: ObjectStore, settings: Settings, at: datetime) -> str:
    """Make and keep the report of the month before ``at``, unless it exists; return the month."""
    month = month_before(at.date())
    with database.begin() as transaction:
        if reports.known(transaction, month):
            return month
        made = make_report(transaction, month, settings, datetime.now(UTC))
    for form, data in _forms(made).items():
        objects.put(key(month, form), data)
    with database.begin() as transaction:
        reports.record(transaction, month, datetime.now(UTC))
    return month


def _forms(made: Report) -> dict[Form, bytes]:
    return {Form.HTML: made.html.encode(), Form.PDF: made.pdf, Form.CSV: made.csv.encode()}
