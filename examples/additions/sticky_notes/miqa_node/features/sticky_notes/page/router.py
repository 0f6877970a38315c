"""Notes on the page of their study, in its row of the worklist, and a page of the newest ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.worklist import WorklistItem
from miqa_node.features.sticky_notes import rows
from miqa_node.interfaces.web.access import Reader, Reviewer, acting
from miqa_node.interfaces.web.card import STUDY, WORKLIST_ROW, CardContext, PageCard, StudyOnPage
from miqa_node.interfaces.web.fields import Actor, Uid
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services

MOST_LISTED = 100

router = APIRouter()


@router.get("/sticky-notes")
def notes_page(services: Services, who: Reader) -> str:
    """The newest notes, with the way to their studies."""
    with services.database.begin() as transaction:
        newest = rows.newest(transaction, MOST_LISTED)
    return render("sticky_notes/notes.html", who=who, newest=newest)


@router.post("/sticky-notes/{study_uid}")
def leave(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    text: Annotated[str, Form(min_length=1, max_length=rows.MAX_CHARACTERS)],
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """The button "Leave a note"."""
    with services.database.begin() as transaction:
        rows.leave(transaction, study_uid, text, acting(who, actor), datetime.now(UTC))
    return RedirectResponse(f"/studies/{study_uid}#sticky-notes", HTTPStatus.SEE_OTHER)


def _of_study(context: CardContext, studies: Sequence[StudyOnPage]) -> list[dict[str, object] | None]:
    notes = _notes(context, [one.study_instance_uid for one in studies])
    may = context.who.may(Permission.REVIEW)
    return [{"notes": of, "may": may, "most": rows.MAX_CHARACTERS} if of or may else None for of in notes]


def _of_rows(context: CardContext, items: Sequence[WorklistItem]) -> list[dict[str, object] | None]:
    notes = _notes(context, [one.study_instance_uid for one in items])
    return [{"notes": of} if of else None for of in notes]


def _notes(context: CardContext, uids: Sequence[str]) -> list[Sequence[rows.StickyNote]]:
    with context.services.database.begin() as transaction:
        by_study = rows.of_studies(transaction, uids)
    return [by_study.get(uid, ()) for uid in uids]


PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Notes", "/sticky-notes", 7))
CARD = PageCard(STUDY, "card.html", __file__, _of_study)
COUNT = PageCard(WORKLIST_ROW, "count.html", __file__, _of_rows)
