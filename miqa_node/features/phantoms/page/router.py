"""The log of phantoms, and the list of their series, which are kept out of worklist and figures."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import ANY_UID
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms import statement
from miqa_node.features.phantoms.curve import small_curve
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


@router.get("/phantoms")
def phantoms_page(
    services: Services,
    who: Reader,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    log_offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> str:
    """The log, one row a machine and protocol, and below it the series, newest first, with buttons for corrections."""
    limit = services.settings.web.page_size
    with services.database.begin() as transaction:
        histories = log.page(transaction, limit=limit, offset=log_offset)
        rows = log.count(transaction)
        listed = phantoms.page(transaction, limit=limit, offset=offset)
        total = phantoms.count(transaction)
        kinds = scans.kinds_of(transaction, {one.study_instance_uid for one in listed})
    return render(
        "phantoms/phantoms.html",
        **FILTERS,
        who=who,
        histories=histories,
        rows=rows,
        curve=small_curve,
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
