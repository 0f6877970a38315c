"""The REST interface to the analysis: the figures of the pages, monthly reports, and the views as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, TypeAdapter

from miqa_node.core.domain.reject_log import RejectLog
from miqa_node.core.domain.spreadsheet import csv_lines
from miqa_node.core.settings.log_mapping import load_mapping, mappings
from miqa_node.features.analysis import feedback, log_import, monthly_reports, rejects, watch
from miqa_node.features.analysis.log_import import LogPreview, mapping_folder
from miqa_node.features.analysis.page.analysis.router import (
    DaysForm,
    Month,
    PeriodForm,
    frame,
    make,
    model_csv,
    rejects_csv,
    report,
)
from miqa_node.features.analysis.rows import reject_logs, rollup, sql_views
from miqa_node.interfaces.web.access import Reader, Reviewer, Uploader, acting
from miqa_node.interfaces.web.fields import Actor
from miqa_node.interfaces.web.page import Page, Trait
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.values import NO_CONTROLS, Strict

ViewName = Annotated[
    str, Path(pattern=f"^({'|'.join(sql_views.VIEWS)})$", description="images, days, labels, label_findings …")
]
PeriodQuery = Annotated[PeriodForm, Query()]
DaysQuery = Annotated[DaysForm, Query()]

FIGURES: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])

router = APIRouter(prefix="/api/v1/analysis", tags=["analysis"])
_csv = responses(401, 403, 422, 503, media=("text/csv",))


class MonthlyForm(Strict):
    """The format of a report."""

    form: monthly_reports.Form = monthly_reports.Form.PDF


@router.get("", summary="Reject analysis", responses=responses(401, 403, 422, 503))
def show_rejects(services: Services, _who: Reader, query: PeriodQuery) -> dict[str, Any]:
    """Coverage, rates with their intervals, groups, reasons and trend; without days the last 30 with images."""
    with services.database.begin() as transaction:
        period = frame(transaction, query, "").period
        return _figures(rejects.analyse(transaction, period, services.settings.analysis))


@router.get("/rejects.csv", summary="Reject analysis as CSV", responses=_csv, response_class=Response)
def show_rejects_csv(services: Services, who: Reader, query: PeriodQuery) -> StreamingResponse:
    """One row for each value of each dimension."""
    return rejects_csv(services, who, query)


@router.get("/model", summary="Watch over the model", responses=responses(401, 403, 422, 503))
def show_model(services: Services, _who: Reader, query: DaysQuery) -> dict[str, Any]:
    """Precision, missed images, agreement, drift and recurring places."""
    with services.database.begin() as transaction:
        return _figures(watch.watch(transaction, frame(transaction, query, "", of_labels=True).period))


@router.get("/model.csv", summary="Watch over the model as CSV", responses=_csv, response_class=Response)
def show_model_csv(services: Services, who: Reader, query: DaysQuery) -> StreamingResponse:
    """One row for each figure."""
    return model_csv(services, who, query)


@router.get("/labels", summary="Labels that people gave", responses=responses(401, 403, 422, 503))
def show_labels(services: Services, _who: Reader, query: DaysQuery) -> dict[str, Any]:
    """What people decided, drew and read, by the day on which they did."""
    with services.database.begin() as transaction:
        period = frame(transaction, query, "", of_labels=True).period
        threshold = services.settings.assess.saliency_threshold
        return _figures(feedback.feedback(transaction, period, services.objects, threshold))


@router.get(
    "/reports/{month}.{form}",
    summary="A monthly report",
    responses=responses(401, 403, 404, 422, 503, media=monthly_reports.MEDIA_TYPES.values()),
    response_class=Response,
)
def show_report(services: Services, who: Reader, month: Month, form: monthly_reports.Form) -> Response:
    """As it was stored."""
    return report(services, who, month, form)


@router.post(
    "/reports/{month}",
    summary="Make a monthly report now",
    responses=responses(400, 401, 403, 415, 422, 503, media=monthly_reports.MEDIA_TYPES.values()),
    response_class=Response,
)
def make_report(services: Services, who: Reviewer, month: Month, body: MonthlyForm) -> Response:
    """By what is known now, also of the month that goes on; the answer is the report, and nothing is kept."""
    return make(services, who, month, body.form)


@router.get("/views/{view}.csv", summary="A view of the analysis as CSV", responses=_csv, response_class=Response)
def show_view(services: Services, _who: Reader, view: ViewName, query: DaysQuery) -> StreamingResponse:
    """The rows that docs/reference/analysis-schema.md describes."""
    lines = _view(services, view, query.since or date.min, query.until or date.max)
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8")


class MappingEntry(BaseModel):
    """A mapping by which reject logs can be read."""

    name: str
    title: str


class LogQuery(Strict):
    """How a reject log is read, and whether it is kept."""

    mapping: str = Field("generic", max_length=64, pattern=NO_CONTROLS, description="Name of a mapping.")
    room: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Room of all rows, if the log names none.")
    keep: bool = Field(False, description="false: only say what was understood.")
    actor: Actor = ""


class LogRemoval(Strict):
    """Who takes an import back."""

    actor: Actor = ""


@router.get("/reject-log-mappings", summary="List mappings of reject logs", responses=responses(401, 403, 422, 503))
def list_mappings(services: Services, _who: Reader) -> list[MappingEntry]:
    """Those that come with the node, and the site's."""
    folder = mapping_folder(services.settings)
    return [MappingEntry(name=name, title=load_mapping(name, folder).title) for name in mappings(folder)]


@router.get("/reject-logs", summary="List imported reject logs", responses=responses(401, 403, 422, 503))
def list_logs(services: Services, _who: Reader) -> list[RejectLog]:
    """The newest first, 200 at most."""
    with services.database.begin() as transaction:
        return reject_logs.listed(transaction)


@router.post("/reject-logs", summary="Import a reject log", responses=responses(400, 401, 403, 404, 413, 415, 422, 503))
def import_log(
    services: Services,
    who: Uploader,
    query: Annotated[LogQuery, Query()],
    log: Annotated[bytes, Body(media_type="text/csv", description="The modality's export.")],
) -> LogPreview:
    """Read the log; with ``keep`` import it, unless a row cannot be understood. Names and IDs are never kept."""
    reading = log_import.read(services.settings, log, query.mapping, query.room)
    with services.database.begin() as transaction:
        if query.keep:
            return log_import.keep(transaction, reading, acting(who, query.actor))
        return log_import.preview(transaction, reading)


@router.post(
    "/reject-logs/{log_id}/remove",
    summary="Take the import of a reject log back",
    responses=responses(401, 403, 404, 415, 422, 503),
)
def remove_log(
    services: Services, who: Reviewer, log_id: Annotated[int, Path(ge=1, le=2**31 - 1)], removal: LogRemoval
) -> RejectLog:
    """With all its rows; the answer is what it was."""
    with services.database.begin() as transaction:
        return reject_logs.remove(transaction, log_id, acting(who, removal.actor), datetime.now(UTC))


def _view(services: WebServices, view: str, first: date, last: date) -> Iterator[str]:
    with services.database.begin() as transaction:
        rollup.refresh(transaction, datetime.now(UTC))
    with services.database.begin() as transaction:
        columns, rows = sql_views.read(transaction, view, first, last)
        yield from csv_lines(chain([columns], rows))


def _figures(result: Any) -> dict[str, Any]:
    """As ``miqa-node analysis … --json`` prints them."""
    return FIGURES.validate_json(TypeAdapter(type(result)).dump_json(result))


PAGE = Page(router, rest=True, traits={"/api/v1/analysis/reject-logs": Trait.CSV_BODY})
