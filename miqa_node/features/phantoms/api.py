"""The REST interface to series of phantoms: list them, and correct the classification of a series."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.domain.phantom import PhantomSeries
from miqa_node.features.phantoms import rows as phantoms
from miqa_node.features.phantoms.statement import queue_of, say
from miqa_node.interfaces.web.access import Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import MAX_OFFSET, MAX_PAGE, Actor, Comment
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import Strict

router = APIRouter(prefix="/api/v1/phantoms", tags=["phantoms"])

SeriesPath = Annotated[str, Path(pattern=f"^{ANY_UID}$", description="Series Instance UID (0020,000E).")]


class PhantomPage(BaseModel):
    """Some of the series, newest first."""

    items: list[PhantomSeries]
    total: int
    limit: int
    offset: int


class PhantomStatement(Strict):
    """What a person says of a series."""

    phantom: bool = Field(description="true: it shows a test object; false: it shows a patient.")
    actor: Actor = ""
    comment: Comment = ""
    study_instance_uid: str = Field(
        "",
        pattern=f"^({ANY_UID})?$",
        description="Of this study only (0020,000D); empty: of each study that has the series.",
    )


@router.get("", summary="List series of phantoms", responses=responses(401, 403, 422, 503))
def list_phantoms(
    services: Services,
    _who: Reader,
    limit: Annotated[int | None, Query(ge=1, le=MAX_PAGE)] = None,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> PhantomPage:
    """Series that were taken for those of a phantom, newest first."""
    most = limit or services.settings.web.page_size
    with services.database.begin() as transaction:
        items = phantoms.page(transaction, limit=most, offset=offset)
        total = phantoms.count(transaction)
    return PhantomPage(items=items, total=total, limit=most, offset=offset)


@router.post(
    "/{series_uid}",
    summary="Say that a series shows a phantom or a patient",
    responses=responses(401, 403, 404, 409, 415, 422, 503),
)
def say_phantom(services: Services, who: Reviewer, series_uid: SeriesPath, body: PhantomStatement) -> PhantomSeries:
    """It is judged again, or decided by what was measured; a phantom leaves the worklist, a patient may get on it."""
    queue, actor, now = queue_of(services), acting(who, body.actor), datetime.now(UTC)
    with services.database.begin() as transaction:
        return say(
            transaction, queue, series_uid, actor, body.comment, now,
            is_phantom=body.phantom, study_instance_uid=body.study_instance_uid,
        )  # fmt: skip


PAGE = Page(router, rest=True)
