"""Second readings: one image after the other, without the opinions of the model and the first reader."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Path, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import LabelOrigin, ReaderOpinion
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.errors import ConflictError
from miqa_node.interfaces.web.access import Reviewer, acting
from miqa_node.interfaces.web.card import LABEL_COUNTS, LABEL_USES, CardContext, PageCard
from miqa_node.interfaces.web.fields import Actor, KnownFinding
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.site_records import label_requests, labels

KIND = LabelOrigin.SECOND_READING
MOST_LISTED = 100

router = APIRouter()


class ReadingAnswer(StrEnum):
    """A reader's answer about an image."""

    GOOD = "good"
    BAD = "bad"


@router.get("/readings")
def reading_page(services: Services, who: Reviewer) -> str:
    """The oldest image that this reader may judge."""
    with services.database.begin() as transaction:
        waiting = label_requests.waiting(transaction, KIND, who.name, limit=MOST_LISTED)
        kind = label_requests.kind_of_image(transaction, waiting[0].digest) if waiting else ""
    return render(
        "readings/reading.html",
        who=who,
        image=waiting[0].digest if waiting else "",
        kind=kind,
        waiting=f"{len(waiting)}{'+' if len(waiting) == MOST_LISTED else ''}",
        findings=list(defect_names()),
    )


@router.post("/readings/{digest}")
def answer(
    services: Services,
    who: Reviewer,
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    answer: Annotated[ReadingAnswer, Form()],
    finding: Annotated[list[KnownFinding] | None, Form()] = None,
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """The buttons "Good image" and "Bad image"."""
    name, bad, now = acting(who, actor), answer is ReadingAnswer.BAD, datetime.now(UTC)
    with services.database.begin() as transaction:
        request = label_requests.find(transaction, digest, KIND)
        if request is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "Nobody asked for a second reading of this image.")
        if request.first_reader == name or not label_requests.answer(transaction, digest, KIND, now):
            raise ConflictError("The image was read a second time already, or you were its first reader.")
        # Findings ticked together with "good" are present but not bad enough.
        named = tuple(finding or ()) or None
        opinion = ReaderOpinion(
            name, LabelOrigin.SECOND_READING, bad, findings=named if bad else (), blind=True, sampled=request.share
        )
        labels.add(transaction, InstanceDigest(digest), opinion, now)
    return RedirectResponse("/readings", HTTPStatus.SEE_OTHER)


def _waiting(_: CardContext, counts: Sequence[int]) -> list[dict[str, object] | None]:
    return [{} if one else None for one in counts]


PAGE = Page(router, Permission.REVIEW, file=__file__)
LINK = PageCard(LABEL_COUNTS, "link.html", __file__, _waiting)
USES = PageCard(LABEL_USES, "uses.html", __file__)
