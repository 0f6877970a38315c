"""Second readings: one image after the other, without what the model or the first reader said."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import Form, HTTPException, Path, Response
from fastapi.responses import RedirectResponse

from miqa_node.domain.finding import DEFECTS, FindingName
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.label import Judgement, LabelOrigin, RequestKind
from miqa_node.errors import ConflictError
from miqa_node.store import label_requests, labels
from miqa_node.web.access import Reviewer, acting, page_router
from miqa_node.web.api import Actor
from miqa_node.web.html import render
from miqa_node.web.services import Services

KIND = RequestKind.SECOND_READING
MOST_LISTED = 100

router = page_router()


class Answer(StrEnum):
    """What a reader says of an image."""

    GOOD = "good"
    BAD = "bad"


@router.get("/readings")
def reading_page(services: Services, who: Reviewer) -> str:
    """The oldest image that this reader may judge."""
    with services.database.begin() as transaction:
        waiting = label_requests.waiting(transaction, KIND, who.name, limit=MOST_LISTED)
        kind = label_requests.kind_of_image(transaction, waiting[0].digest) if waiting else ""
    return render(
        "reading.html",
        who=who,
        image=waiting[0].digest if waiting else "",
        kind=kind,
        waiting=f"{len(waiting)}{'+' if len(waiting) == MOST_LISTED else ''}",
        findings=[name.value for name in DEFECTS],
    )


@router.post("/readings/{digest}")
def answer(
    services: Services,
    who: Reviewer,
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    answer: Annotated[Answer, Form()],
    finding: Annotated[list[FindingName] | None, Form()] = None,
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """The buttons "Good image" and "Bad image"."""
    name, bad = acting(who, actor), answer is Answer.BAD
    with services.database.begin() as transaction:
        request = label_requests.find(transaction, digest, KIND)
        if request is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "Nobody asked for a second reading of this image.")
        if request.answered_at is not None or request.first_reader == name:
            raise ConflictError("The image was read a second time already, or you were its first reader.")
        # Ticks beside "good" say that nothing is wrong enough.
        named = tuple(one.value for one in finding or ()) or None
        said = Judgement(
            name, LabelOrigin.SECOND_READING, bad, findings=named if bad else (), blind=True, sampled=request.share
        )
        labels.add(transaction, InstanceDigest(digest), said, datetime.now(UTC))
    return RedirectResponse("/readings", HTTPStatus.SEE_OTHER)
