"""The REST interface to deliveries: list, show, hold, release, resend and cancel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from miqa_node.core.domain.delivery import DeliveryAction, DeliveryState
from miqa_node.interfaces.web.access import Admin, Reader, acting
from miqa_node.interfaces.web.fields import MAX_ID, MAX_OFFSET, MAX_PAGE, Actor, Comment
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import CHANGE_ERRORS, FIND_ERRORS, responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Strict
from miqa_node.stages.deliver.rows import delivery_jobs
from miqa_node.stages.deliver.rows.delivery_jobs import DeliveryEvent, DeliveryJob

DeliveryNumber = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the delivery.")]


class DeliveryQuery(Strict):
    """The filter; omitted fields match everything."""

    state: list[DeliveryState] = Field([], description="One or more states.")
    destination: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Name of the destination.")
    kind: list[Annotated[str, Field(max_length=32, pattern=NO_CONTROLS)]] = Field(
        [], description="One or more kinds of objects, such as SR, or types of events, such as study.flagged."
    )
    uid: str = Field(
        "", pattern=r"^[0-9.]{0,64}$", description="UID of the result, or of the image, series or study it is about."
    )
    limit: int | None = Field(None, ge=1, le=MAX_PAGE, description="Maximum number; default is web.page_size.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Number of newest rows to skip.")

    def filter(self) -> delivery_jobs.DeliveryFilter:
        """The same for the store."""
        return delivery_jobs.DeliveryFilter(tuple(self.state), self.destination, tuple(self.kind), self.uid)


class DeliveryPage(BaseModel):
    """One page of deliveries, newest first."""

    items: list[DeliveryJob]
    total: int = Field(description="How many match the filter, on all pages.")
    limit: int
    offset: int


class DeliveryDetail(BaseModel):
    """One delivery and its history of actions."""

    delivery: DeliveryJob
    events: list[DeliveryEvent]


class DeliveryChange(Strict):
    """The person who acts, and the reason."""

    actor: Actor = ""
    comment: Comment = ""


router = APIRouter(prefix="/api/v1/deliveries", tags=["deliveries"])


@router.get("", summary="List deliveries", responses=responses(401, 403, 422, 503))
def list_deliveries(services: Services, _who: Reader, query: Annotated[DeliveryQuery, Query()]) -> DeliveryPage:
    """Results on their way to destinations, newest first."""
    limit = query.limit or services.settings.web.page_size
    selection = query.filter()
    with services.database.begin() as transaction:
        items = delivery_jobs.select(transaction, selection, limit=limit, offset=query.offset)
        total = delivery_jobs.count(transaction, selection)
    return DeliveryPage(items=items, total=total, limit=limit, offset=query.offset)


@router.get("/{delivery_id}", summary="One delivery", responses=FIND_ERRORS)
def show_delivery(services: Services, _who: Reader, delivery_id: DeliveryNumber) -> DeliveryDetail:
    """One delivery and its history of actions."""
    with services.database.begin() as transaction:
        job, events = delivery_jobs.show(transaction, delivery_id)
    return DeliveryDetail(delivery=job, events=events)


@router.post("/{delivery_id}/{action}", summary="Hold, release, send again or cancel", responses=CHANGE_ERRORS)
def change_delivery(
    services: Services, who: Admin, delivery_id: DeliveryNumber, action: DeliveryAction, body: DeliveryChange
) -> DeliveryJob:
    """QUEUED or FAILED is held, HELD released, anything but QUEUED sent again; cancelled is what was not sent yet."""
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        return delivery_jobs.act(transaction, action, delivery_id, acting(who, body.actor), body.comment, now)


PAGE = Page(router, rest=True)
