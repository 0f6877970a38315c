"""The REST interface to the rooms of a node, and to whether they learn."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import BaseModel

from miqa_node.features.limits.room_list import ListedRoom, room_list
from miqa_node.interfaces.web.access import Admin, Reader, acting
from miqa_node.interfaces.web.fields import Actor, Comment
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.values import Strict
from miqa_node.runtime.site_records import rooms


class RoomsOverview(BaseModel):
    """The rooms, and from how many images new ones learn; 0: they go by the policy's limits."""

    learns_from: int
    rooms: list[ListedRoom]


class LearningStart(Strict):
    """The person who lets rooms learn, and the reason."""

    actor: Actor = ""
    comment: Comment = ""


router = APIRouter(prefix="/api/v1/limits/rooms", tags=["limits"])


@router.get("", summary="Rooms and what they learned", responses=responses(401, 403, 503))
def list_rooms(services: Services, _who: Reader) -> RoomsOverview:
    """Every room that the node knows: whether it learns, how many images it lacks, since when, and from what."""
    return _overview(services)


@router.post("/learn", summary="Let rooms learn", responses=responses(401, 403, 409, 415, 422, 503))
def let_rooms_learn(services: Services, who: Admin, body: LearningStart) -> RoomsOverview:
    """From now on the rooms of a node learn on which an earlier version judged images; confirmed limits stay."""
    with services.database.begin() as transaction:
        rooms.let_learn(transaction, acting(who, body.actor), body.comment, datetime.now(UTC))
    return _overview(services)


def _overview(services: WebServices) -> RoomsOverview:
    with services.database.begin() as transaction:
        every = room_list(transaction, services.settings.policy)
    return RoomsOverview(learns_from=every.learns_from, rooms=list(every.rooms))


PAGE = Page(router, rest=True)
