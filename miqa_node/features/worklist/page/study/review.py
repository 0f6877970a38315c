"""Actions on a flagged study: claim, put back, assign, comment, decide, reopen; rejections are confirmed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.codes import REASON_CODES
from miqa_node.core.domain.worklist import Resolution
from miqa_node.features.worklist.decision import MAX_IMAGES, Decision
from miqa_node.features.worklist.page.desk import desk_of
from miqa_node.features.worklist.page.regions import read_regions
from miqa_node.features.worklist.page.study.router import following_study
from miqa_node.features.worklist.rows import conflicts, worklist
from miqa_node.interfaces.web.access import Reviewer, acting
from miqa_node.interfaces.web.fields import Actor, Assignee, Comment, Remark, Uid
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.store.database import Transaction

router = APIRouter()

ReasonCode = Annotated[str, Form(max_length=16)]
Digests = Annotated[list[str], Form(max_length=MAX_IMAGES)]
Listed = Annotated[str, Form(alias="list", max_length=1000)]
"""The filter of the list from which the study was opened, as in the list's address."""
Names = Annotated[list[str], Form(max_length=100)]


class StudyForm:
    """What each form of a study sends beside its own fields."""

    def __init__(
        self,
        services: Services,
        who: Reviewer,
        study_uid: Uid,
        actor: Annotated[Actor, Form()] = "",
        listed: Listed = "",
    ) -> None:
        self.services, self.who, self.study_uid, self.listed = services, who, study_uid, listed
        self.actor = acting(who, actor)

    def made(self, change: Callable[[Transaction, str, str, datetime], object]) -> Response:
        """The study after a change to it, by the one who sent the form."""
        with self.services.database.begin() as transaction:
            change(transaction, self.study_uid, self.actor, datetime.now(UTC))
        return _to(self.study_uid, self.listed)


Sent = Annotated[StudyForm, Depends()]


@router.post("/studies/{study_uid}/claim")
def claim(form: Sent) -> Response:
    """The button "Claim"."""
    return form.made(worklist.claim)


@router.post("/studies/{study_uid}/patients")
def resolve_patients(form: Sent, comment: Annotated[Comment, Form()]) -> Response:
    """The button "Resolve" of a study with images of several patients."""
    return form.made(lambda transaction, uid, actor, now: conflicts.resolve(transaction, uid, actor, comment, now))


@router.post("/studies/{study_uid}/release")
def release(form: Sent) -> Response:
    """The button "Put back"."""
    return form.made(worklist.unclaim)


@router.post("/studies/{study_uid}/assign")
def assign(form: Sent, to: Annotated[Assignee, Form()]) -> Response:
    """The button "Assign"."""
    return form.made(lambda transaction, uid, actor, now: worklist.assign(transaction, uid, to.strip(), actor, now))


@router.post("/studies/{study_uid}/comments")
def comment_on(form: Sent, text: Annotated[Remark, Form()]) -> Response:
    """The button "Add comment"."""
    return form.made(lambda transaction, uid, actor, now: worklist.comment(transaction, uid, text, actor, now))


@router.post("/studies/{study_uid}/resolve")
def resolve(
    form: Sent,
    resolution: Annotated[Resolution, Form()],
    comment: Annotated[Comment, Form()] = "",
    reason: ReasonCode = "",
    digest: Digests = [],  # noqa: B006 - FastAPI copies it
    regions: Annotated[str, Form(max_length=32_768)] = "",
    archive: Names = [],  # noqa: B006
    sure: Annotated[bool, Form()] = False,
    onward: Annotated[bool, Form()] = False,
    image_count: Annotated[int | None, Form()] = None,
) -> Response:
    """The four buttons; ``onward`` then shows the next study of the list.

    Confirming a rejection first shows a page with what will happen, and acts once that page is confirmed.
    """
    services, study_uid, listed = form.services, form.study_uid, form.listed
    decision = Decision(
        resolution,
        form.actor,
        comment,
        reason,
        tuple(digest),
        read_regions(regions),
        tuple(archive),
        image_count,
    )
    if resolution is Resolution.CONFIRMED and not sure:
        with services.database.begin() as transaction:
            item = worklist.show(transaction, study_uid)
        page = render(
            "study/reject.html",
            who=form.who,
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
    item = services.of(desk_of).decide(study_uid, decision)
    if onward:
        with services.database.begin() as transaction:
            following = following_study(transaction, listed, item, form.who.name)
        if following:
            return _to(following, listed, decided=study_uid)
    return _to(study_uid, listed)


@router.post("/studies/{study_uid}/reopen")
def reopen(form: Sent, comment: Annotated[Remark, Form()], decision: Annotated[int | None, Form()] = None) -> Response:
    """The buttons "Undo", which names its decision, and "Reopen"."""
    return form.made(
        lambda transaction, uid, actor, now: worklist.reopen(transaction, uid, actor, comment, now, decision)
    )


def _to(study_uid: str, listed: str, **more: str) -> Response:
    query = urlencode(({"list": listed} if listed else {}) | more)
    return RedirectResponse(f"/studies/{study_uid}" + (f"?{query}" if query else ""), HTTPStatus.SEE_OTHER)


PAGE = Page(router, Permission.REVIEW)
