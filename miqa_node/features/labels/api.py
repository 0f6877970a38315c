"""The REST interface to objects that people mark on any image."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import Field

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.label import ImageMarks
from miqa_node.features.labels.page.marks_form import MarkedObjects, outlines
from miqa_node.interfaces.web.access import Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import Actor, Digest
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import Strict
from miqa_node.runtime.site_records import marks


class Marking(Strict):
    """All objects that a person saw on an image."""

    actor: Actor = ""
    objects: MarkedObjects = Field(description="All that can be taken off, and devices; empty if there is nothing.")


router = APIRouter(prefix="/api/v1/instances/{digest}/marks", tags=["instances"])


@router.get("", summary="Objects that were marked on an image", responses=responses(401, 403, 422, 503))
def show_marks(services: Services, _who: Reader, digest: Digest) -> ImageMarks | None:
    """The newest marks that were made without a decision; null if there are none."""
    with services.database.begin() as transaction:
        return marks.of_images(transaction, [InstanceDigest(digest)]).get(InstanceDigest(digest))


@router.post("", summary="Mark the objects on an image", responses=responses(401, 403, 404, 415, 422, 503))
def add_marks(services: Services, who: Reviewer, digest: Digest, body: Marking) -> ImageMarks:
    """Any image, flagged or not: this judges nothing, and changes no verdict. They replace earlier marks."""
    with services.database.begin() as transaction:
        return marks.add(
            transaction, InstanceDigest(digest), acting(who, body.actor), outlines(body.objects), datetime.now(UTC)
        )


PAGE = Page(router, rest=True)
