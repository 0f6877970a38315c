"""The log of phantoms, and the list of their series, which are kept out of worklist and figures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms import statement
from miqa_node.features.phantoms.history import PhantomHistory
from miqa_node.features.phantoms.kinds import WORDS
from miqa_node.features.phantoms.page import history
from miqa_node.features.phantoms.page.words import FILTERS
from miqa_node.features.phantoms.rows import log, scans
from miqa_node.features.phantoms.statement import queue_of
from miqa_node.interfaces.web.access import Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import Actor, Comment, SeriesUid
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services

MAX_OFFSET = 1_000_000

router = APIRouter()


class RowState(StrEnum):
    """Which rows of the log are shown."""

    ALL = ""
    FAIL = "fail"
    OVERDUE = "overdue"
    OTHER = "other"


STATE_WORDS = {
    RowState.ALL: Phrase("all"),
    RowState.FAIL: Phrase("failing"),
    RowState.OVERDUE: Phrase("overdue"),
    RowState.OTHER: Phrase("warned or not measured"),
}


def shown_rows(
    histories: Iterable[PhantomHistory], today: date, state: RowState, kind: str, words: str
) -> list[PhantomHistory]:
    """Those that fit, what fails and what is overdue first, else the newest first."""
    wish = words.casefold().split()

    def fits(one: PhantomHistory) -> bool:
        text = f"{one.last.origin.words} {one.last.origin.protocol_words}".casefold()
        is_of_state = {
            RowState.ALL: True,
            RowState.FAIL: one.urgency(today) == 0,
            RowState.OVERDUE: one.is_overdue(today),
            RowState.OTHER: one.urgency(today) == 2,
        }[state]
        return is_of_state and kind in ("", one.kind) and all(word in text for word in wish)

    newest = sorted(filter(fits, histories), key=lambda one: one.last.acquired_at, reverse=True)
    return sorted(newest, key=lambda one: one.urgency(today))


@router.get("/phantoms")
def phantoms_page(
    services: Services,
    who: Reader,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    log_offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    state: RowState = RowState.ALL,
    kind: Annotated[str, Query(max_length=32)] = "",
    search: Annotated[str, Query(max_length=64)] = "",
) -> str:
    """The log, one row a machine and protocol, and below it the series, newest first, with buttons for corrections."""
    limit, today = services.settings.web.page_size, datetime.now(UTC).date()
    with services.database.begin() as transaction:
        every = log.all_of(transaction)
        listed = phantoms.page(transaction, limit=limit, offset=offset)
        total = phantoms.count(transaction)
        kinds = scans.kinds_of(transaction, {one.study_instance_uid for one in listed})
    matches = shown_rows(every, today, state, kind, search)
    rows = len(matches)
    wish = {"state": state.value, "kind": kind, "search": search}
    return render(
        "phantoms/phantoms.html",
        **FILTERS,
        who=who,
        histories=matches[log_offset : log_offset + limit],
        every=len(every),
        failing=sum(one.urgency(today) == 0 for one in every),
        overdue=sum(one.is_overdue(today) for one in every),
        rows=rows,
        today=today,
        wish=wish,
        wished=urlencode(wish),
        states=STATE_WORDS,
        kinds_here=sorted({one.kind for one in every if one.kind}),
        is_open=bool(offset) or not every,
        listed=listed,
        total=total,
        kinds=kinds,
        known_kinds=WORDS,
        may=who.may(Permission.REVIEW),
        newer=max(0, offset - limit) if offset else None,
        older=offset + limit if offset + limit < total else None,
        previous=max(0, log_offset - limit) if log_offset else None,
        further=log_offset + limit if log_offset + limit < rows else None,
    )


@router.post("/phantoms")
def say(
    services: Services,
    who: Reviewer,
    series_uid: Annotated[SeriesUid, Form()],
    phantom: Annotated[bool, Form()],
    study_uid: Annotated[str, Form(pattern=f"^({ANY_UID})?$")] = "",
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
) -> Response:
    """The buttons "This is a patient" and "This is a phantom"."""
    queue, now = queue_of(services), datetime.now(UTC)
    with services.database.begin() as transaction:
        statement.say(
            transaction, queue, series_uid.strip(), acting(who, actor), comment, now,
            is_phantom=phantom, study_instance_uid=study_uid,
        )  # fmt: skip
    return RedirectResponse("/phantoms", HTTPStatus.SEE_OTHER)


router.routes.extend(history.router.routes)
PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Phantoms", "/phantoms", 4))
