"""The page of one machine, protocol and phantom: curves, where values were read, limits, signatures, changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Annotated

import cv2
import numpy as np
from fastapi import APIRouter, Form, Path, Query, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import AwareDatetime, Field

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import ANY_UID, InstanceDigest
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ConflictError
from miqa_node.features.phantoms import statement, templates
from miqa_node.features.phantoms.csv_file import lines
from miqa_node.features.phantoms.curve import large_curve
from miqa_node.features.phantoms.form import HISTORY, MAX_STACK, VALUE_NAME, Change, NumberText, number_of
from miqa_node.features.phantoms.history import DUE, ScanKey, ValueLimits
from miqa_node.features.phantoms.kinds import WORDS
from miqa_node.features.phantoms.page.slices import slices_of
from miqa_node.features.phantoms.page.words import FILTERS
from miqa_node.features.phantoms.rows import log, records
from miqa_node.features.phantoms.statement import queue_of
from miqa_node.features.phantoms.templates import ACR
from miqa_node.interfaces.web.access import Admin, Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import Actor, Comment, Digest, SeriesUid
from miqa_node.interfaces.web.full_pixels import KEPT, MAX_FRAME, decoded, original_key
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.services import Services
from miqa_node.stages.units.rows import instances

MOST_SHOWN = 1000
"""Scans in the table, the newest ones."""
INTERVALS = {0: Phrase("not set"), 7: Phrase("weekly"), 31: Phrase("monthly"), 366: Phrase("yearly")}
"""How often a phantom is to be scanned, by the most days between scans."""
HistoryPath = Annotated[str, Path(pattern=HISTORY)]
StudyForm = Annotated[str, Form(pattern=f"^{ANY_UID}$")]

router = APIRouter()


@router.get("/phantoms/log.csv")
def log_csv(services: Services, _who: Reader, history: Annotated[str, Query(pattern=f"^$|{HISTORY}")] = "") -> Response:
    """All values of one history, or of all."""
    headers = {"content-disposition": f'attachment; filename="phantoms-{datetime.now(UTC):%Y%m%d}.csv"'}
    with services.database.begin() as transaction:
        histories = log.all_of(transaction, history)
    return StreamingResponse(lines(histories), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/phantoms/log/{history}")
def history_page(
    services: Services,
    who: Reader,
    history: HistoryPath,
    series: Annotated[str, Query(pattern=f"^({ANY_UID})?$")] = "",
    stack: Annotated[int, Query(ge=0, le=MAX_STACK)] = 0,
    study: Annotated[str, Query(pattern=f"^({ANY_UID})?$")] = "",
) -> str:
    """With the values of one scan, by default of the last, drawn where they were read."""
    with services.database.begin() as transaction:
        one = log.load(transaction, history)
        wish = ScanKey(study, series, stack)
        keys = [scan.key if study else replace(scan.key, study_instance_uid="") for scan in one.scans]
        index = keys.index(wish) if wish in keys else len(keys) - 1
        values = log.values_of(transaction, one.scans[index].key)
        withdrawn = log.withdrawn_scans(transaction, history)
        alike = log.with_own_limits(transaction, one)
        shown = instances.load(transaction, InstanceDigest(one.scans[index].digest))
    return render(
        "phantoms/history.html",
        **FILTERS,
        who=who,
        one=one,
        index=index,
        values=values,
        slices=slices_of(values, shown.header),
        removal=shown.removal,
        withdrawn=withdrawn,
        alike=alike,
        acr_source=templates.acr_source(one.kind),
        intervals=INTERVALS,
        sources=list(dict.fromkeys(value.source for value in values)),
        curve=large_curve,
        most=MOST_SHOWN,
        known_kinds=WORDS,
        may=who.may(Permission.REVIEW),
        may_limit=who.may(Permission.ADMIN),
        today=datetime.now(UTC).date(),
    )


@router.get("/phantoms/slices/{digest}.png")
def slice_picture(
    services: Services, _who: Reader, digest: Digest, frame: Annotated[int, Query(ge=0, le=MAX_FRAME)] = 0
) -> Response:
    """A slice as its window shows it, every pixel of it."""
    shown = decoded(services, original_key(services, digest), frame)
    gray = np.right_shift(shown.display, 8).astype(np.uint8)
    return Response(bytes(cv2.imencode(".png", gray)[1].tobytes()), media_type="image/png", headers=KEPT)


def _back(history: str) -> Response:
    return RedirectResponse(f"/phantoms/log/{history}" if history else "/phantoms", HTTPStatus.SEE_OTHER)


@router.post("/phantoms/signatures")
def sign(
    services: Services,
    who: Reviewer,
    study_uid: StudyForm,
    series_uid: Annotated[SeriesUid, Form()],
    stack: Annotated[int, Form(ge=0, le=MAX_STACK)] = 0,
    history: Annotated[str, Form(pattern=f"^$|{HISTORY}")] = "",
    measured_at: Annotated[AwareDatetime | None, Form()] = None,
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
) -> Response:
    """The button "Seen": name and date of who looked."""
    key = ScanKey(study_uid, series_uid.strip(), stack)
    with services.database.begin() as transaction:
        by, now = acting(who, actor), datetime.now(UTC)
        records.sign(transaction, key, by, comment.strip(), now, looked_at=measured_at)
    return _back(history)


@router.post("/phantoms/kinds")
def name_kind(
    services: Services,
    who: Reviewer,
    study_uid: StudyForm,
    series_uid: Annotated[SeriesUid, Form()],
    kind: Annotated[str, Form(max_length=32)],
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """Which phantom it is, where the node did not tell it: the series is measured as one of that kind."""
    queue, now = queue_of(services), datetime.now(UTC)
    with services.database.begin() as transaction:
        statement.name_kind(transaction, queue, series_uid.strip(), study_uid, kind, acting(who, actor), now)
    return _back("")


@router.post("/phantoms/log/{history}/limits")
def set_limits(
    services: Services,
    who: Admin,
    history: HistoryPath,
    name: Annotated[str, Form(pattern=VALUE_NAME)],
    low: Annotated[NumberText, Form()] = "",
    high: Annotated[NumberText, Form()] = "",
    warn_reach: Annotated[NumberText, Form()] = "",
    fail_reach: Annotated[NumberText, Form()] = "",
    everywhere: Annotated[bool, Form()] = False,
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """Limits of a value here, or for all machines and protocols with this phantom; empty fields are no limit."""
    now, by = datetime.now(UTC), acting(who, actor)
    with services.database.begin() as transaction:
        kind = log.load(transaction, history).kind
        limits = ValueLimits(
            kind, "" if everywhere else history, name, number_of(low), number_of(high),
            number_of(warn_reach, least=0.0), number_of(fail_reach, least=0.0), by, now,
        )  # fmt: skip
        records.set_limits(transaction, limits)
    return _back(history)


@router.post("/phantoms/log/{history}/limits/all")
def set_all_limits(
    services: Services,
    who: Admin,
    history: HistoryPath,
    name: Annotated[list[Annotated[str, Field(pattern=VALUE_NAME)]], Form()],
    low: Annotated[list[NumberText], Form()],
    high: Annotated[list[NumberText], Form()],
    warn_reach: Annotated[list[NumberText], Form()],
    fail_reach: Annotated[list[NumberText], Form()],
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """The table of limits: those that were changed are set here, all or none."""
    now, by = datetime.now(UTC), acting(who, actor)
    if not len(name) == len(low) == len(high) == len(warn_reach) == len(fail_reach):
        raise ConflictError("Each value needs four limits, empty ones too.")
    with services.database.begin() as transaction:
        one = log.load(transaction, history)
        for value, least, most, warn, fail in zip(name, low, high, warn_reach, fail_reach, strict=True):
            limits = ValueLimits(
                one.kind, history, value, number_of(least), number_of(most),
                number_of(warn, least=0.0), number_of(fail, least=0.0), by, now,
            )  # fmt: skip
            if limits.numbers != one.numbers_of(value):
                records.set_limits(transaction, limits)
    return _back(history)


@router.post("/phantoms/log/{history}/limits/copy")
def copy_limits(
    services: Services,
    who: Admin,
    history: HistoryPath,
    source: Annotated[str, Form(pattern=f"^{ACR}$|{HISTORY}")],
    further: Annotated[bool, Form()] = False,
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """Limits of the ACR, or of another machine and protocol with the same kind of phantom.

    ``further`` gives them to all rows of the kind that have no limits of their own, too.
    """
    now, by = datetime.now(UTC), acting(who, actor)
    with services.database.begin() as transaction:
        one = log.load(transaction, history)
        other = None if source == ACR else log.load(transaction, source)
        rows = [one, *(log.without_own_limits(transaction, one) if further else ())]
        if other is not None and other.kind != one.kind:
            rows = []
        limits = [
            each
            for row in rows
            for each in (templates.copied(other, row, by, now) if other else templates.acr_limits(row, by, now))
        ]
        if not limits:
            raise ConflictError("There are no limits of this phantom to take over.")
        for each in limits:
            records.set_limits(transaction, each)
    return _back(history)


@router.post("/phantoms/log/{history}/due")
def set_due(
    services: Services,
    who: Admin,
    history: HistoryPath,
    days: Annotated[int, Form(ge=0, le=3660)],
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """How often this machine and protocol is to be scanned; 0 days: nobody is reminded."""
    now, by = datetime.now(UTC), acting(who, actor)
    with services.database.begin() as transaction:
        kind = log.load(transaction, history).kind
        records.set_limits(transaction, ValueLimits(kind, history, DUE, None, days or None, None, None, by, now))
    return _back(history)


@router.post("/phantoms/log/{history}/changes")
def note_change(
    services: Services,
    who: Reviewer,
    history: HistoryPath,
    on_day: Annotated[date, Form()],
    what: Annotated[Change, Form()],
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """What was changed at the machine and no header tells: its baselines begin anew."""
    with services.database.begin() as transaction:
        machine = log.load(transaction, history).machine
        records.note_change(transaction, machine, on_day, what, acting(who, actor), datetime.now(UTC))
    return _back(history)


@router.post("/phantoms/log/{history}/changes/{change_id}/remove")
def forget_change(
    services: Services, _who: Reviewer, history: HistoryPath, change_id: Annotated[int, Path(ge=1, le=2**53)]
) -> Response:
    """The button "Remove": the change was recorded in error."""
    with services.database.begin() as transaction:
        records.forget_change(transaction, log.load(transaction, history).machine, change_id)
    return _back(history)
