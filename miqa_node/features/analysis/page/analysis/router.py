"""The pages of the analysis: rejects, model monitoring, and readers' labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.calendar import MONTH
from miqa_node.core.domain.spreadsheet import csv_lines
from miqa_node.core.language.local_time import midnight
from miqa_node.features.analysis import csv_files, feedback, monthly_reports, rejects, watch
from miqa_node.features.analysis.page.analysis import logs
from miqa_node.features.analysis.pictures import MOST_BARS, Exposures, reject_pictures, watch_pictures
from miqa_node.features.analysis.rows import census, fidelities, reports, rollup
from miqa_node.features.analysis.rows.census import Period
from miqa_node.features.analysis.rows.reason_changes import codes_changed
from miqa_node.features.analysis.sheets import positioning_rows, value_words
from miqa_node.interfaces.web.access import Reader, Reviewer
from miqa_node.interfaces.web.card import LABEL_COUNTS, LABEL_USES, MODEL_WATCH
from miqa_node.interfaces.web.html.cards import PageCards
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Day, Strict
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.database import Transaction

DEFAULT_DAYS = 30
MOST_DAYS_TO_COUNT = 31
"""Maximum number of changed days recounted during a request; the node counts the rest in the background."""
MOST_CHOICES = 500
CHOICES_DAYS = 92
"""The choices are rooms and body parts of the last three months."""
MOST_REPORTS = 24

router = APIRouter()


class DaysForm(Strict):
    """First and last day; an untouched field is sent empty."""

    since: Literal[""] | Day = ""
    until: Literal[""] | Day = Field("", description="The last day of the period.")

    def period(self, newest: date) -> Period:
        """The period for the store; without days, the last month with images."""
        last = self.until or newest
        first = self.since or last - timedelta(days=DEFAULT_DAYS - 1)
        return Period(min(first, last), max(first, last) + timedelta(days=1))


class PeriodForm(DaysForm):
    """The filter of the reject analysis."""

    modality: str = Field("", max_length=16, pattern=NO_CONTROLS)
    room: str = Field("", max_length=64, pattern=NO_CONTROLS)
    body_part: str = Field("", max_length=64, pattern=NO_CONTROLS)

    def period(self, newest: date) -> Period:
        """See :class:`DaysForm`."""
        days = super().period(newest)
        return replace(days, modality=self.modality, room=self.room.strip(), body_part=self.body_part)


Form = Annotated[PeriodForm, Query()]
Days = Annotated[DaysForm, Query()]
Month = Annotated[str, Path(pattern=f"^{MONTH}$", description="As 2026-10.")]
MadeForm = Annotated[monthly_reports.Form, Query()]


@dataclass(frozen=True, slots=True)
class AnalysisFrame:
    """The parts that all pages of the analysis share."""

    period: Period
    last: date
    address: str
    shortcuts: list[tuple[str, str]]
    modalities: list[str]
    rooms: list[str]
    body_parts: list[str]
    waiting: int
    """Days not counted yet."""


@router.get("/analysis")
def rejects_page(services: Services, who: Reader, query: Form) -> str:
    """Reject analysis of a period."""
    with services.database.begin() as transaction:
        shown = frame(transaction, query, "/analysis")
        figures = rejects.analyse(transaction, shown.period, services.settings.analysis)
        months = reports.months(transaction, limit=MOST_REPORTS)
        recoded = codes_changed(transaction, midnight(shown.period.since), midnight(shown.period.until))
    return render(
        "analysis/rejects.html", who=who, shown=shown, found=figures,
        pictures=reject_pictures(figures, exposures_of(shown)), query=query,
        most_bars=MOST_BARS, reason_words=rejects.REASON_WORDS, months=months,
        csv="/analysis/rejects.csv?" + _address(query), value_words=value_words, forms=list(monthly_reports.Form),
        recoded=recoded, positioned=positioning_rows(figures.positioning),
    )  # fmt: skip


@router.get("/analysis/rejects.csv")
def rejects_csv(services: Services, _who: Reader, query: Form) -> StreamingResponse:
    """The same as a table: one row for each value of each dimension."""
    with services.database.begin() as transaction:
        shown = frame(transaction, query, "/analysis")
        figures = rejects.analyse(transaction, shown.period, services.settings.analysis)
    return _table("rejects", shown, csv_files.reject_rows(figures))


@router.get("/analysis/model")
def model_page(services: Services, who: Reader, query: Days) -> str:
    """Model monitoring."""
    with services.database.begin() as transaction:
        shown = frame(transaction, query, "/analysis/model", of_labels=True)
        figures = watch.watch(transaction, shown.period)
    cards = PageCards(services, who)
    return render(
        "analysis/model.html",
        who=who,
        shown=shown,
        found=figures,
        last_of_reference=figures.reference[1] - timedelta(days=1),
        pictures=watch_pictures(figures),
        query=query,
        csv="/analysis/model.csv?" + _address(query),
        cards=cards,
        of_others=cards.of(MODEL_WATCH, None),
    )


@router.get("/analysis/model.csv")
def model_csv(services: Services, _who: Reader, query: Days) -> StreamingResponse:
    """The same as a table: one row for each figure."""
    with services.database.begin() as transaction:
        shown = frame(transaction, query, "/analysis/model", of_labels=True)
        figures = watch.watch(transaction, shown.period)
    return _table("model", shown, csv_files.watch_rows(figures))


def _table(name: str, shown: AnalysisFrame, rows: Iterable[Sequence[object]]) -> StreamingResponse:
    file = f"{name}-{shown.period.since:%Y%m%d}-{shown.last:%Y%m%d}.csv"
    headers = {"content-disposition": f'attachment; filename="{file}"'}
    return StreamingResponse(csv_lines(rows), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/analysis/labels")
def labels_page(services: Services, who: Reader, query: Days) -> str:
    """The labels from people's decisions."""
    with services.database.begin() as transaction:
        shown = frame(transaction, query, "/analysis/labels", of_labels=True)
        threshold = services.settings.assess.saliency_threshold
        figures = feedback.feedback(transaction, shown.period, services.objects, threshold)
        measured = fidelities.newest(transaction)
    cards, (requests, answers) = PageCards(services, who), figures.second_asked
    return render(
        "analysis/labels.html", who=who, shown=shown, found=figures, query=query, settings=services.settings.analysis,
        fidelity=measured, second_readings=cards.of(LABEL_COUNTS, requests - answers), uses=cards.of(LABEL_USES, None),
        cards=cards,
    )  # fmt: skip


@router.get("/analysis/reports/{month}.{form}")
def report(services: Services, _who: Reader, month: Month, form: monthly_reports.Form) -> Response:
    """A monthly report, as it was stored."""
    with services.database.begin() as transaction:
        if not reports.known(transaction, month):
            raise HTTPException(HTTPStatus.NOT_FOUND, "No report of this month was made.")
    data = services.objects.get(monthly_reports.key(month, form))
    return _download(data, month, form)


@router.post("/analysis/reports/{month}")
def make(services: Services, _who: Reviewer, month: Month, form: MadeForm = monthly_reports.Form.PDF) -> Response:
    """The report of a month as of now; the current month is allowed. It is not stored."""
    data = monthly_reports.make_month(services.database, services.settings, month, form, datetime.now(UTC))
    return _download(data, month, form)


def _download(data: bytes, month: str, form: monthly_reports.Form) -> Response:
    # An HTML report has an inline style sheet, which the pages' own policy would block.
    headers = {"content-disposition": f'attachment; filename="rejects-{month}.{form.value}"'}
    return Response(data, media_type=monthly_reports.MEDIA_TYPES[form], headers=headers)


def frame(transaction: Transaction, query: DaysForm, page: str, *, of_labels: bool = False) -> AnalysisFrame:
    """Count new exposures, and determine the requested period.

    ``of_labels``: the page counts labels, too, each on the day it was given, even for an image from years ago.
    """
    now = datetime.now(UTC)
    waiting = rollup.refresh(transaction, now, most_days=MOST_DAYS_TO_COUNT)
    span = census.span(transaction, now)
    newest = span[1] if span else now.date()
    lately = newest - timedelta(days=CHOICES_DAYS)
    if of_labels and (label := labels.newest_at(transaction)):
        newest = max(newest, label.date())
    period = query.period(newest)
    return AnalysisFrame(
        period=period,
        last=period.until - timedelta(days=1),
        address=page,
        shortcuts=_shortcuts(page, query, (span[0] if span else newest, newest)),
        modalities=census.choices(transaction, "modality", lately, limit=MOST_CHOICES),
        rooms=census.choices(transaction, "room", lately, limit=MOST_CHOICES),
        body_parts=census.choices(transaction, "body_part", lately, limit=MOST_CHOICES),
        waiting=waiting,
    )


def exposures_of(shown: AnalysisFrame) -> Exposures:
    """Where the images of a bar are listed: those that were rejected, if any were."""
    period = shown.period
    common = {"since": str(period.since), "until": str(shown.last), "modality": period.modality, "room": period.room,
              "body_part": period.body_part}  # fmt: skip

    def address(dimension: str, value: str, rejected: int) -> str:
        if dimension == rollup.REASON and not rejected:
            return ""  # only imported logs name the reason
        own = {dimension: value} if value else {"without": dimension}
        counted = {"exposures": "rejected" if rejected else "all"}
        return "/images?" + urlencode({key: one for key, one in {**common, **own, **counted}.items() if one})

    return address


def _shortcuts(page: str, query: DaysForm, span: tuple[date, date]) -> list[tuple[str, str]]:
    first, last = span
    this = last.replace(day=1)
    before = (this - timedelta(days=1)).replace(day=1)
    spans = [
        ("This month", this, last),
        ("Last month", before, this - timedelta(days=1)),
        ("12 months", max(first, last - timedelta(days=364)), last),
        ("Everything", first, last),
    ]
    return [(name, f"{page}?{_address(query, since=since, until=until)}") for name, since, until in spans]


def _address(query: DaysForm, **other: date) -> str:
    parameters = {**query.model_dump(), **other}
    return urlencode({key: str(value) for key, value in parameters.items() if value})


router.routes.extend(logs.router.routes)
PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Analysis", "/analysis", 3))
