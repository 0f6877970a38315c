"""The REST interface to the analysis: the figures of the pages, monthly reports, and the views as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter

from miqa_node.analysis import archive, feedback, rejects, tables, watch
from miqa_node.store import labels, rollup, views
from miqa_node.web.access import Reader
from miqa_node.web.fields import Strict
from miqa_node.web.page import Page
from miqa_node.web.pages.analysis.router import PeriodForm, csv_lines, frame, rejects_csv, report
from miqa_node.web.problems import responses
from miqa_node.web.services import Services, WebServices

ViewName = Annotated[
    str, Path(pattern=f"^({'|'.join(views.VIEWS)})$", description="images, days, labels, label_findings …")
]
PeriodQuery = Annotated[PeriodForm, Query()]

FIGURES: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])

router = APIRouter(prefix="/api/v1/analysis", tags=["analysis"])


class ViewQuery(Strict):
    """First and last day of a view."""

    since: Literal[""] | date = ""
    until: Literal[""] | date = ""


@router.get("", summary="Reject analysis", responses=responses(401, 403, 422, 503))
def show_rejects(services: Services, _who: Reader, query: PeriodQuery) -> dict[str, Any]:
    """Coverage, rates with their intervals, groups, reasons and trend; without days the last 30 with images."""
    with services.database.begin() as transaction:
        period = frame(transaction, query, "").period
        return _figures(rejects.analyse(transaction, period, services.settings.analysis))


@router.get("/rejects.csv", summary="Reject analysis as CSV", responses=responses(401, 403, 422, 503))
def show_rejects_csv(services: Services, who: Reader, query: PeriodQuery) -> StreamingResponse:
    """One row for each value of each dimension."""
    return rejects_csv(services, who, query)


@router.get("/model", summary="Watch over the model", responses=responses(401, 403, 422, 503))
def show_model(services: Services, _who: Reader, query: PeriodQuery) -> dict[str, Any]:
    """Precision, missed images, agreement, drift and recurring places."""
    with services.database.begin() as transaction:
        return _figures(watch.watch(transaction, frame(transaction, query, "").period))


@router.get("/labels", summary="Labels that people gave", responses=responses(401, 403, 422, 503))
def show_labels(services: Services, _who: Reader, query: PeriodQuery) -> dict[str, Any]:
    """What people decided, drew and read, by the day on which they did."""
    with services.database.begin() as transaction:
        rows = labels.newest_at(transaction)
        period = frame(transaction, query, "", up_to=rows.date() if rows else None).period
        threshold = services.settings.assess.saliency_threshold
        return _figures(feedback.feedback(transaction, period, services.objects, threshold))


@router.get("/reports/{month}.{form}", summary="A monthly report", responses=responses(401, 403, 404, 422, 503))
def show_report(
    services: Services, who: Reader, month: Annotated[str, Path(pattern=r"^\d{4}-\d{2}$")], form: archive.Form
) -> Response:
    """As it was stored."""
    return report(services, who, month, form)


@router.get("/views/{view}.csv", summary="A view of the analysis as CSV", responses=responses(401, 403, 422, 503))
def show_view(
    services: Services, _who: Reader, view: ViewName, query: Annotated[ViewQuery, Query()]
) -> StreamingResponse:
    """The rows that docs/reference/analysis-schema.md describes."""
    lines = _view(services, view, query.since or date.min, query.until or date.max)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8")


def _view(services: WebServices, view: str, first: date, last: date) -> Iterator[str]:
    with services.database.begin() as transaction:
        rollup.refresh(transaction, datetime.now(UTC))
    with services.database.begin() as transaction:
        columns, rows = views.read(transaction, view, first, last)
        yield from csv_lines([columns])
        yield from csv_lines([tables.safe(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def _figures(result: Any) -> dict[str, Any]:
    """As ``miqa-node analysis … --json`` prints them."""
    return FIGURES.validate_json(TypeAdapter(type(result)).dump_json(result))


PAGE = Page(router, rest=True)
