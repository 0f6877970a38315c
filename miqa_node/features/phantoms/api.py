"""The REST interface to phantoms: their series and what they are, the log of their values, signatures and limits."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.domain.phantom import PhantomSeries
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms import statement
from miqa_node.features.phantoms.csv_file import lines
from miqa_node.features.phantoms.form import HISTORY, MAX_STACK, VALUE_NAME, Change
from miqa_node.features.phantoms.history import ScanKey, ValueLimits
from miqa_node.features.phantoms.rows import log, records
from miqa_node.features.phantoms.statement import queue_of, say
from miqa_node.features.phantoms.summary import LogDetail, LogRow, log_detail, log_row
from miqa_node.interfaces.web.access import Admin, Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import MAX_OFFSET, MAX_PAGE, Actor, Comment
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import Strict

router = APIRouter(prefix="/api/v1/phantoms", tags=["phantoms"])

HistoryPath = Annotated[str, Path(pattern=HISTORY, description="As the log has it.")]
StudyUid = Annotated[str, Field(pattern=f"^{ANY_UID}$", description="Study Instance UID (0020,000D).")]
Limit = Annotated[float | None, Field(allow_inf_nan=False)]
Reach = Annotated[float | None, Field(ge=0.0, allow_inf_nan=False)]
SeriesPath = Annotated[str, Path(pattern=f"^{ANY_UID}$", description="Series Instance UID (0020,000E).")]


class PhantomPage(BaseModel):
    """Some of the series, newest first."""

    items: list[PhantomSeries]
    total: int
    limit: int
    offset: int


class PhantomStatement(Strict):
    """What a person says of a series."""

    phantom: bool = Field(description="true: it shows a test object; false: it shows a patient.")
    actor: Actor = ""
    comment: Comment = ""
    study_instance_uid: str = Field(
        "",
        pattern=f"^({ANY_UID})?$",
        description="Of this study only (0020,000D); empty: of each study that has the series.",
    )


class LogPage(BaseModel):
    """Some rows of the log, those with the newest scans first."""

    items: list[LogRow]
    total: int
    limit: int
    offset: int


class KindStatement(Strict):
    """Which phantom a person says it is."""

    kind: str = Field(max_length=32, description="As docs/explanation/phantoms.md lists them: acr_mr_large …")
    study_instance_uid: StudyUid
    actor: Actor = ""


class SignatureBody(Strict):
    """Who looked at the values of a scan; no electronic signature."""

    study_instance_uid: StudyUid
    stack: int = Field(0, ge=0, le=MAX_STACK, description="Of a series with several stacks of slices.")
    actor: Actor = ""
    comment: Comment = ""


class LimitsBody(Strict):
    """Limits of a value in its unit; without any, those of before are taken away."""

    name: str = Field(pattern=VALUE_NAME, description="Of the value, or without its part: geometric_accuracy_mm.")
    low: Limit = None
    high: Limit = None
    warn_reach: Reach = Field(None, description="Distance from the baseline beyond which it warns.")
    fail_reach: Reach = Field(None, description="Distance from the baseline beyond which it fails.")
    everywhere: bool = Field(False, description="For all machines and protocols with this kind of phantom.")
    actor: Actor = ""


class MachineChangeBody(Strict):
    """What was changed at a machine and no header tells."""

    on_day: date
    what: Change
    actor: Actor = ""


@router.get("", summary="List series of phantoms", responses=responses(401, 403, 422, 503))
def list_phantoms(
    services: Services,
    _who: Reader,
    limit: Annotated[int | None, Query(ge=1, le=MAX_PAGE)] = None,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> PhantomPage:
    """Series that were taken for those of a phantom, newest first."""
    most = limit or services.settings.web.page_size
    with services.database.begin() as transaction:
        items = phantoms.page(transaction, limit=most, offset=offset)
        total = phantoms.count(transaction)
    return PhantomPage(items=items, total=total, limit=most, offset=offset)


@router.post(
    "/{series_uid}",
    summary="Say that a series shows a phantom or a patient",
    responses=responses(401, 403, 404, 409, 415, 422, 503),
)
def say_phantom(services: Services, who: Reviewer, series_uid: SeriesPath, body: PhantomStatement) -> PhantomSeries:
    """It is judged again, or decided by what was measured; a phantom leaves the worklist, a patient may get on it."""
    queue, actor, now = queue_of(services), acting(who, body.actor), datetime.now(UTC)
    with services.database.begin() as transaction:
        return say(
            transaction, queue, series_uid, actor, body.comment, now,
            is_phantom=body.phantom, study_instance_uid=body.study_instance_uid,
        )  # fmt: skip


@router.post(
    "/{series_uid}/kind",
    summary="Say which phantom a series shows",
    responses=responses(401, 403, 404, 409, 415, 422, 503),
)
def name_kind(services: Services, who: Reviewer, series_uid: SeriesPath, body: KindStatement) -> PhantomSeries:
    """It is measured again, as one of that kind."""
    queue, actor, now = queue_of(services), acting(who, body.actor), datetime.now(UTC)
    with services.database.begin() as transaction:
        study, kind = body.study_instance_uid, body.kind
        return statement.name_kind(transaction, queue, series_uid, study, kind, actor, now)


@router.get("/log", summary="List the log of phantoms", responses=responses(401, 403, 422, 503))
def list_log(
    services: Services,
    _who: Reader,
    limit: Annotated[int | None, Query(ge=1, le=MAX_PAGE)] = None,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> LogPage:
    """One row for each machine, protocol and phantom, with the values of its newest scan."""
    most = limit or services.settings.web.page_size
    with services.database.begin() as transaction:
        histories = log.page(transaction, limit=most, offset=offset)
        total = log.count(transaction)
    return LogPage(items=[log_row(one) for one in histories], total=total, limit=most, offset=offset)


@router.get(
    "/log.csv",
    summary="All values of the log as CSV",
    responses=responses(401, 403, 404, 422, 503, media=("text/csv",)),
    response_class=Response,
)
def log_csv(
    services: Services,
    _who: Reader,
    history: Annotated[str, Query(pattern=f"^$|{HISTORY}", description="Only this row; empty: all.")] = "",
) -> Response:
    """One line for each value of each scan."""
    with services.database.begin() as transaction:
        histories = log.all_of(transaction, history)
    return StreamingResponse(lines(histories), media_type="text/csv; charset=utf-8")


@router.get("/log/{history}", summary="One row of the log", responses=responses(401, 403, 404, 422, 503))
def one_history(services: Services, _who: Reader, history: HistoryPath) -> LogDetail:
    """With all its scans, limits, changes and signatures."""
    with services.database.begin() as transaction:
        return log_detail(log.load(transaction, history))


@router.post(
    "/log/{history}/limits", summary="Set limits of a value", responses=responses(401, 403, 404, 409, 415, 422, 503)
)
def set_limits(services: Services, who: Admin, history: HistoryPath, body: LimitsBody) -> LogDetail:
    """Of this machine and protocol, or of all with this kind of phantom. No limit is shipped."""
    actor, now = acting(who, body.actor), datetime.now(UTC)
    with services.database.begin() as transaction:
        kind = log.load(transaction, history).kind
        limits = ValueLimits(
            kind, "" if body.everywhere else history, body.name, body.low, body.high, body.warn_reach,
            body.fail_reach, actor, now,
        )  # fmt: skip
        records.set_limits(transaction, limits)
        return log_detail(log.load(transaction, history))


@router.post(
    "/log/{history}/changes",
    summary="Record a change of a machine",
    responses=responses(401, 403, 404, 409, 415, 422, 503),
)
def note_change(services: Services, who: Reviewer, history: HistoryPath, body: MachineChangeBody) -> LogDetail:
    """All baselines of the machine begin anew with the first scan from that day on."""
    actor, now = acting(who, body.actor), datetime.now(UTC)
    with services.database.begin() as transaction:
        machine = log.load(transaction, history).machine
        records.note_change(transaction, machine, body.on_day, body.what, actor, now)
        return log_detail(log.load(transaction, history))


@router.post(
    "/log/{history}/changes/{change_id}/remove",
    summary="Take back a change that was recorded in error",
    responses=responses(401, 403, 404, 415, 422, 503),
)
def forget_change(
    services: Services, _who: Reviewer, history: HistoryPath, change_id: Annotated[int, Path(ge=1, le=2**53)]
) -> LogDetail:
    """Baselines are those of before."""
    with services.database.begin() as transaction:
        records.forget_change(transaction, log.load(transaction, history).machine, change_id)
        return log_detail(log.load(transaction, history))


@router.post(
    "/{series_uid}/signature",
    summary="Sign that one looked at the values of a scan",
    responses=responses(401, 403, 404, 415, 422, 503),
)
def sign(services: Services, who: Reviewer, series_uid: SeriesPath, body: SignatureBody) -> LogRow:
    """Name and date are kept with the values as they are now; it is no electronic signature."""
    key = ScanKey(body.study_instance_uid, series_uid, body.stack)
    with services.database.begin() as transaction:
        records.sign(transaction, key, acting(who, body.actor), body.comment.strip(), datetime.now(UTC))
        return log_row(log.load(transaction, log.row_of(transaction, key).history))


PAGE = Page(router, rest=True)
