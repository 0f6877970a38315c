"""Fetches the originals of a study that retention removed from the archive: the button "Fetch from the archive"."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.features.retention.page.retrieval import fetch_of
from miqa_node.interfaces.web.access import Reviewer
from miqa_node.interfaces.web.card import STUDY_PICTURE, CardContext, ImageOnPage, PageCard
from miqa_node.interfaces.web.fields import Uid
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services

router = APIRouter()


@router.post("/studies/{study_uid}/fetch")
def fetch(services: Services, who: Reviewer, study_uid: Uid) -> Response:
    """The study's page, or the originals that could not be fetched and why."""
    retrieval = services.of(fetch_of)(study_uid)
    if not retrieval.missing:
        return RedirectResponse(f"/studies/{study_uid}", 303)
    return HTMLResponse(render("fetch_page/fetch.html", who=who, study_uid=study_uid, retrieval=retrieval))


def _of_removed(context: CardContext, images: Sequence[ImageOnPage]) -> list[dict[str, object] | None]:
    can_fetch = bool(context.services.settings.retention.archives)
    return [{} if can_fetch and one.instance.removal is not None else None for one in images]


PAGE = Page(router, Permission.REVIEW, file=__file__)
BUTTON = PageCard(STUDY_PICTURE, "button.html", __file__, _of_removed, permission=Permission.REVIEW)
