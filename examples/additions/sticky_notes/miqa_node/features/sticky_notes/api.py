"""The REST interface to sticky notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from miqa_node.features.sticky_notes import rows
from miqa_node.features.sticky_notes.rows import StickyNote
from miqa_node.interfaces.web.access import Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import Actor, Uid
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import Strict

router = APIRouter(prefix="/api/v1/sticky-notes", tags=["sticky notes"])


class NewNote(Strict):
    """A note, and who leaves it."""

    text: Annotated[str, Field(min_length=1, max_length=rows.MAX_CHARACTERS)]
    actor: Actor = ""


@router.get("/{study_uid}", summary="Sticky notes of a study", responses=responses(401, 403, 422, 503))
def notes_of(services: Services, _who: Reader, study_uid: Uid) -> Sequence[StickyNote]:
    """Oldest first; none of a study without notes."""
    with services.database.begin() as transaction:
        return rows.of_studies(transaction, [study_uid]).get(study_uid, [])


@router.post("/{study_uid}", summary="Leave a sticky note", responses=responses(401, 403, 404, 415, 422, 503))
def leave(services: Services, who: Reviewer, study_uid: Uid, body: NewNote) -> StickyNote:
    """It stays until the patient is erased."""
    with services.database.begin() as transaction:
        return rows.leave(transaction, study_uid, body.text, acting(who, body.actor), datetime.now(UTC))


PAGE = Page(router, rest=True)
