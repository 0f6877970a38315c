"""The REST interface to deliveries: what goes where, and hold, release, send again and cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from miqa_node.domain.delivery import DeliveryAction, DeliveryState, ResultKind
from miqa_node.store import delivery_jobs
from miqa_node.store.delivery_jobs import DeliveryEvent, DeliveryJob
from miqa_node.web.access import Admin, Reader, acting, check_csrf
from miqa_node.web.api import MAX_OFFSET, MAX_PAGE, NO_CONTROLS, Actor, Comment, Strict
from miqa_node.web.problems import responses
from miqa_node.web.services import Services

MAX_ID = 2**63 - 1

DeliveryNumber = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the delivery.")]


class DeliveryQuery(Strict):
    """What to list; what is left out matches everything."""

    state: list[DeliveryState] = Field([], description="One or more states.")
    destination: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Name of the destination.")
    kind: list[ResultKind] = Field([], description="One or more kinds of objects.")
    uid: str = Field(
        "", pattern=r"^[0-9.]{0,64}$", description="UID of the result, or of the image, series or study it is about."
    )
    limit: int | None = Field(None, ge=1, le=MAX_PAGE, description="At most so many; default is web.page_size.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Leave out so many of the newest.")

    def filter(self) -> delivery_jobs.Filter:
        """The same for the store."""
        return delivery_jobs.Filter(tuple(self.state), self.destination, tuple(self.kind), self.uid)


class DeliveryPage(BaseModel):
    """Some of the deliveries, newest first."""

    items: list[DeliveryJob]
    total: int = Field(description="How many match the filter, on all pages.")
    limit: int
    offset: int


class DeliveryDetail(BaseModel):
    """One delivery, and what people did with it."""

    delivery: DeliveryJob
    events: list[DeliveryEvent]


class DeliveryChange(Strict):
    """Who does it, and why."""

    actor: Actor = ""
    comment: Comment = ""


router = APIRouter(prefix="/api/v1/deliveries", tags=["deliveries"], dependencies=[Depends(check_csrf)])


@router.get("", summary="List deliveries", responses=responses(401, 403, 422, 503))
def list_deliveries(services: Services, _who: Reader, query: Annotated[DeliveryQuery, Query()]) -> DeliveryPage:
    """Results on their way to destinations, newest first."""
    limit = query.limit or services.settings.web.page_size
    wanted = query.filter()
    with services.database.begin() as transaction:
        items = delivery_jobs.select(transaction, wanted, limit=limit, offset=query.offset)
        total = delivery_jobs.count(transaction, wanted)
    return DeliveryPage(items=items, total=total, limit=limit, offset=query.offset)


@router.get("/{delivery_id}", summary="One delivery", responses=responses(401, 403, 404, 422, 503))
def show_delivery(services: Services, _who: Reader, delivery_id: DeliveryNumber) -> DeliveryDetail:
    """One delivery, and what people did with it."""
    with services.database.begin() as transaction:
        job, events = delivery_jobs.show(transaction, delivery_id)
    return DeliveryDetail(delivery=job, events=events)


@router.post(
    "/{delivery_id}/{action}",
    summary="Hold, release, send again or cancel",
    responses=responses(401, 403, 404, 409, 415, 422, 503),
)
def change_delivery(
    services: Services, who: Admin, delivery_id: DeliveryNumber, action: DeliveryAction, body: DeliveryChange
) -> DeliveryJob:
    """QUEUED or FAILED is held, HELD released, anything but QUEUED sent again; cancelled is what was not sent yet."""
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        return delivery_jobs.act(transaction, action, delivery_id, acting(who, body.actor), body.comment, now)
