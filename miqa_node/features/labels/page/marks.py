"""Objects on an image that no decision is about: the form below its picture, and its button "Save marks"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.features.labels.page.marks_form import outlines, read_objects
from miqa_node.interfaces.web.access import Reviewer, acting
from miqa_node.interfaces.web.card import STUDY_PICTURE, CardContext, ImageOnPage, PageCard
from miqa_node.interfaces.web.fields import Actor, Uid
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import DIGEST
from miqa_node.runtime.site_records import marks

router = APIRouter()


@router.post("/studies/{study_uid}/marks")
def save_marks(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    digest: Annotated[str, Form(pattern=DIGEST)],
    objects: Annotated[str, Form(max_length=32_768)],
    actor: Annotated[Actor, Form()] = "",
    shown: Annotated[int, Form(ge=1, le=1000)] = 1,
    listed: Annotated[str, Form(alias="list", max_length=1000)] = "",
) -> Response:
    """Keep all objects that were marked on one image, and show the image again."""
    regions = outlines(read_objects(objects))
    with services.database.begin() as transaction:
        marks.add(transaction, InstanceDigest(digest), acting(who, actor), regions, datetime.now(UTC))
    query = f"?{urlencode({'list': listed})}" if listed else ""
    return RedirectResponse(f"/studies/{study_uid}{query}#image-{shown}", HTTPStatus.SEE_OTHER)


def _objects(context: CardContext, images: Sequence[ImageOnPage]) -> Iterator[dict[str, object] | None]:
    """The objects that were marked on each image; None where nothing can be marked, or with the decision only."""
    with context.services.database.begin() as transaction:
        by_image = marks.of_images(transaction, [one.instance.digest for one in images])
    for one in images:
        if one.is_stack or one.awaits_decision or one.instance.removal is not None:
            yield None
            continue
        newest = by_image.get(one.instance.digest)
        regions = newest.regions if newest is not None else ()
        marked = [{"points": region.points, "kind": region.kind, "finding": ""} for region in regions]
        yield {"marks": newest, "marked": marked}


PAGE = Page(router, Permission.REVIEW, file=__file__)
CARD = PageCard(
    STUDY_PICTURE, "marking.html", __file__, _objects, permission=Permission.REVIEW, order=10, script="marking.js"
)
