"""Actions on a flagged study: claim, put back, assign, comment, decide, reopen; rejections are confirmed."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.page.decisions import MAX_IMAGES, Decision, decide, known_reason, read_regions
from miqa_node.features.worklist.page.study.router import following_study
from miqa_node.features.worklist.rows import conflicts, worklist
from miqa_node.interfaces.web.access import Reviewer, acting
from miqa_node.interfaces.web.fields import Actor, Assignee, Comment, Remark, Uid
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services

router = APIRouter()

ReasonCode = Annotated[str, Form(max_length=16)]
Digests = Annotated[list[str], Form(max_length=MAX_IMAGES)]
Listed = Annotated[str, Form(alias="list", max_length=1000)]
"""The filter of the list from which the study was opened, as in the list's address."""
Names = Annotated[list[str], Form(max_length=100)]


@router.post("/studies/{study_uid}/claim")
def claim(
    services: Services, who: Reviewer, study_uid: Uid, actor: Annotated[Actor, Form()] = "", listed: Listed = ""
) -> Response:
    """The button "Claim"."""
    with services.database.begin() as transaction:
        worklist.claim(transaction, study_uid, acting(who, actor), datetime.now(UTC))
    return _to(study_uid, listed)


@router.post("/studies/{study_uid}/patients")
def resolve_patients(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    comment: Annotated[Comment, Form()],
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """The button "Resolve" of a study with images of several patients."""
    with services.database.begin() as transaction:
        conflicts.resolve(transaction, study_uid, acting(who, actor), comment, datetime.now(UTC))
    return _to(study_uid, "")


@router.post("/studies/{study_uid}/release")
def release(
    services: Services, who: Reviewer, study_uid: Uid, actor: Annotated[Actor, Form()] = "", listed: Listed = ""
) -> Response:
    """The button "Put back"."""
    with services.database.begin() as transaction:
        worklist.unclaim(transaction, study_uid, acting(who, actor), datetime.now(UTC))
    return _to(study_uid, listed)


@router.post("/studies/{study_uid}/assign")
def assign(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    to: Annotated[Assignee, Form()],
    actor: Annotated[Actor, Form()] = "",
    listed: Listed = "",
) -> Response:
    """The button "Assign"."""
    with services.database.begin() as transaction:
        worklist.assign(transaction, study_uid, to.strip(), acting(who, actor), datetime.now(UTC))
    return _to(study_uid, listed)


@router.post("/studies/{study_uid}/comments")
def comment_on(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    text: Annotated[Remark, Form()],
    actor: Annotated[Actor, Form()] = "",
    listed: Listed = "",
) -> Response:
    """The button "Add comment"."""
    with services.database.begin() as transaction:
        worklist.comment(transaction, study_uid, text, acting(who, actor), datetime.now(UTC))
    return _to(study_uid, listed)


@router.post("/studies/{study_uid}/resolve")
def resolve(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    resolution: Annotated[Resolution, Form()],
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
    reason: ReasonCode = "",
    digest: Digests = [],  # noqa: B006 - FastAPI copies it
    regions: Annotated[str, Form(max_length=32_768)] = "",
    archive: Names = [],  # noqa: B006
    sure: Annotated[bool, Form()] = False,
    onward: Annotated[bool, Form()] = False,
    listed: Listed = "",
    image_count: Annotated[int | None, Form()] = None,
) -> Response:
    """The four buttons; ``onward`` then shows the next study of the list.

    Confirming a rejection first shows a page with what will happen, and acts once that page is confirmed.
    """
    decision = Decision(
        resolution,
        acting(who, actor),
        comment,
        known_reason(reason),
        tuple(dict.fromkeys(digest)),
        read_regions(regions),
        tuple(dict.fromkeys(archive)),
        image_count,
    )
    if resolution is Resolution.CONFIRMED and not sure:
        with services.database.begin() as transaction:
            item = worklist.show(transaction, study_uid)
        page = render(
            "study/reject.html",
            who=who,
            item=item,
            decision=decision,
            regions=regions,
            images=[image for image in item.images if not decision.digests or image.digest in decision.digests],
            reason=REASON_CODES.get(decision.reason),
            reasons=sorted(REASON_CODES.values(), key=lambda code: code.value),
            archives=list(services.archives()),
            delay_s=services.settings.deliver.rejection_delay_s,
            listed=listed,
            onward=onward,
        )
        return HTMLResponse(page)
    item = decide(services, study_uid, decision)
    if onward:
        with services.database.begin() as transaction:
            following = following_study(transaction, listed, item, who.name)
        if following:
            return _to(following, listed, decided=study_uid)
    return _to(study_uid, listed)


@router.post("/studies/{study_uid}/reopen")
def reopen(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    comment: Annotated[Remark, Form()],
    actor: Annotated[Actor, Form()] = "",
    decision: Annotated[int | None, Form()] = None,
    listed: Listed = "",
) -> Response:
    """The buttons "Undo", which names its decision, and "Reopen"."""
    with services.database.begin() as transaction:
        worklist.reopen(transaction, study_uid, acting(who, actor), comment, datetime.now(UTC), decision)
    return _to(study_uid, listed)


def _to(study_uid: str, listed: str, **more: str) -> Response:
    query = urlencode(({"list": listed} if listed else {}) | more)
    return RedirectResponse(f"/studies/{study_uid}" + (f"?{query}" if query else ""), HTTPStatus.SEE_OTHER)


PAGE = Page(router, Permission.REVIEW)
