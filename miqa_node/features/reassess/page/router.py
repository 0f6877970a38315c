"""Requests a new judgement of a study's images, after a page that shows what would be done."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.reassessment import ReassessmentFilter
from miqa_node.features.reassess.page.again import reassessment_of
from miqa_node.interfaces.web.access import Admin, acting
from miqa_node.interfaces.web.card import STUDY_ACTIONS, PageCard
from miqa_node.interfaces.web.fields import Actor, Comment, Uid
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services

router = APIRouter()


@router.post("/studies/{study_uid}/reassess")
def reassess(
    services: Services,
    who: Admin,
    study_uid: Uid,
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """The button "Judge again": first a page with what would be done, then the work once that page is confirmed."""
    again = services.of(reassessment_of)
    plan = again.plan(ReassessmentFilter(uids=(study_uid,)))
    if not sure:
        return HTMLResponse(render("reassess_page/reassess.html", who=who, study_uid=study_uid, plan=plan))
    again.begin(plan, acting(who, actor), comment, datetime.now(UTC))
    return RedirectResponse(f"/studies/{study_uid}", HTTPStatus.SEE_OTHER)


PAGE = Page(router, Permission.ADMIN, file=__file__)
BUTTON = PageCard(STUDY_ACTIONS, "button.html", __file__, permission=Permission.ADMIN)
