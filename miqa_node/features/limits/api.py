"""The REST interface to what a site sets itself: limits of rooms, and silent first days."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from miqa_node.core.domain.room import Place
from miqa_node.core.domain.silence import PartSilence, PartStart
from miqa_node.core.domain.site_limit import LimitProposal, LimitSet, RoomLimit, SiteLimits
from miqa_node.core.settings.policy import read_policy
from miqa_node.errors import ConflictError
from miqa_node.features.limits import own_limits
from miqa_node.features.limits.room_list import ListedRoom, room_list
from miqa_node.interfaces.web.access import Admin, Reader, Reviewer, acting
from miqa_node.interfaces.web.fields import Actor, Comment, KnownFinding
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services, WebServices
from miqa_node.interfaces.web.values import Strict
from miqa_node.runtime.site_records import rooms, site_limits

MAX_NUMBER = 2**31 - 1
MAX_LIMITS = 5000
SetNumber = Annotated[int, Path(ge=1, le=MAX_NUMBER, description="Number of the set.")]


class LimitOverview(BaseModel):
    """The limits in force, and all sets, newest first."""

    in_force: SiteLimits
    sets: list[LimitSet]


class RoomsOverview(BaseModel):
    """The rooms, and from how many images new ones learn; 0: they go by the policy's limits."""

    learns_from: int
    rooms: list[ListedRoom]


class AppraisedLimits(BaseModel):
    """What limits would do, and the number of the set if they were kept."""

    number: int | None
    proposal: LimitProposal


class RoomLimitRequest(Strict):
    """One limit of a person's own."""

    finding: KnownFinding
    room: str = Field("", max_length=64, description="Station Name (0008,1010); empty means all other rooms.")
    view: str = Field("", max_length=16, description="View Position (0018,5101); empty means all other views.")
    least_strength: float = Field(ge=0, le=1, description="Probability times severity from which it flags.")
    package: str = Field("", max_length=64, description="Name of the package that judges; empty: the quality package.")
    body_part: str = Field(
        "", max_length=64, description="Body Part Examined (0018,0015); empty means all other body parts."
    )

    @property
    def limit(self) -> RoomLimit:
        """The same for the analysis."""
        return own_limits.limit_for(
            self.finding, self.room, self.view, self.least_strength, self.package, self.body_part
        )


class AppraisalRequest(Strict):
    """Limits to try out."""

    limits: Annotated[list[RoomLimitRequest], Field(min_length=1, max_length=MAX_LIMITS)]
    keep: bool = Field(False, description="Keep them as a proposal that can be confirmed.")


class LimitChange(Strict):
    """The person who confirms or withdraws limits, and the reason."""

    actor: Actor = ""
    comment: Comment = ""


class SeenRoom(LimitChange):
    """The room of which a person has seen what is told, as lists name its place."""

    package: str = Field("", max_length=64)
    body_part: str = Field("", max_length=64)
    room: str = Field("", max_length=64)
    view: str = Field("", max_length=64)
    detector: str = Field("", max_length=64)

    @property
    def place(self) -> Place:
        """The same for the records of rooms."""
        return Place(self.package, self.body_part, self.room, self.view, self.detector)


class LimitConfirmation(LimitChange):
    """The same, and that somebody looked at what it finds less than today."""

    second_look: bool = Field(False, description="Somebody looked at what is found less than today: else 409.")


class SilenceEnd(Strict):
    """The body part whose silent days end, the person who ends them, and the reason."""

    body_part: str = Field("", max_length=64, description="A term such as KNEE; empty is for all unknown ones.")
    actor: Actor = ""
    comment: Comment = ""


router = APIRouter(prefix="/api/v1/limits", tags=["limits"])
of_rooms = APIRouter(prefix="/api/v1/limits/rooms", tags=["limits"])


@router.get("", summary="Limits of rooms", responses=responses(401, 403, 503))
def list_limits(services: Services, _who: Reader) -> LimitOverview:
    """The limits in force, how far each room is known, and every set that was proposed or confirmed."""
    with services.database.begin() as transaction:
        in_force = site_limits.current(transaction, services.settings.policy.learn_images)
        return LimitOverview(in_force=in_force, sets=site_limits.history(transaction))


@router.get("/silence", summary="Silent body parts", responses=responses(401, 403, 503))
def list_silences(services: Services, _who: Reader) -> list[PartSilence]:
    """Every body part that the node has judged images of, and until when verdicts on it are only recorded."""
    with services.database.begin() as transaction:
        return site_limits.silence(transaction, services.settings.policy.silent_days).listed(datetime.now(UTC))


@router.post("/silence/end", summary="End the silent days", responses=responses(401, 403, 404, 409, 415, 422, 503))
def end_silence(services: Services, who: Admin, body: SilenceEnd) -> PartStart:
    """From now on verdicts on images of the part count; images that have a verdict keep it."""
    with services.database.begin() as transaction:
        return site_limits.end_silence(
            transaction, body.body_part, acting(who, body.actor), body.comment, datetime.now(UTC)
        )


@router.get("/{number}", summary="One set of limits", responses=responses(401, 403, 404, 422, 503))
def show_limits(services: Services, _who: Reader, number: SetNumber) -> LimitSet:
    """The limits with the images nearest to each of them, and how many would be flagged."""
    with services.database.begin() as transaction:
        return site_limits.load(transaction, number)


@router.post("/proposals", summary="Gone", deprecated=True, responses=responses(401, 403, 409, 415))
def propose_limits(_who: Reviewer) -> LimitSet:
    """Limits are no longer proposed for a budget: rooms learn them."""
    raise ConflictError(
        "Limits are no longer proposed for a budget. Set policy.room_budget, and let rooms learn anew "
        "(/api/v1/limits/rooms/learn)."
    )


@router.post("/appraisals", summary="Try limits", responses=responses(401, 403, 409, 415, 422, 503))
def appraise_limits(services: Services, _who: Reviewer, body: AppraisalRequest) -> AppraisedLimits:
    """What limits of one's own would do to the newest images; with ``keep`` they become a proposal. Nothing changes.

    Nothing is simulated here, because the process that answers loads no packages: ``simulated`` and ``found`` of each
    limit are null until ``miqa-node tune --simulate NUMBER`` tried a set that was kept.
    """
    policy = read_policy(services.settings.policy_file)
    limits = [one.limit for one in body.limits]
    with services.database.begin() as transaction:
        proposal = own_limits.appraise(own_limits.newest_images(transaction, policy), limits, policy)
        limit_set = site_limits.propose(transaction, proposal, datetime.now(UTC)) if body.keep else None
    return AppraisedLimits(number=limit_set.number if limit_set else None, proposal=proposal)


@router.post("/{number}/confirm", summary="Confirm limits", responses=responses(401, 403, 404, 409, 415, 422, 503))
def confirm_limits(services: Services, who: Admin, number: SetNumber, body: LimitConfirmation) -> LimitSet:
    """From now on verdicts follow these limits and name them; images that have a verdict keep it."""
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        return site_limits.confirm(
            transaction, number, acting(who, body.actor), body.comment, now, second_look=body.second_look
        )


@router.post("/withdraw", summary="Withdraw limits", responses=responses(401, 403, 409, 415, 422, 503))
def withdraw_limits(services: Services, who: Admin, body: LimitChange) -> LimitSet:
    """The limits of the policy apply again."""
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        return site_limits.withdraw(transaction, acting(who, body.actor), body.comment, now)


@of_rooms.get("", summary="Rooms and what they learned", responses=responses(401, 403, 503))
def list_rooms(services: Services, _who: Reader) -> RoomsOverview:
    """Every room that the node knows: whether it learns, how many images it lacks, since when, and from what.

    ``whole`` is what most of its images show, and what of it somebody has ``seen``; ``examples`` are such images.
    """
    return _overview(services)


@of_rooms.post("/learn", summary="Let rooms learn", responses=responses(401, 403, 409, 415, 422, 503))
def let_rooms_learn(services: Services, who: Admin, body: LimitChange) -> RoomsOverview:
    """All rooms learn anew, also those of a node on which an earlier version judged images; limits stay until then."""
    services.settings.policy.images_to_learn()
    with services.database.begin() as transaction:
        rooms.learn_anew(transaction, acting(who, body.actor), body.comment, datetime.now(UTC))
    return _overview(services)


@of_rooms.post("/seen", summary="See what is told of a room", responses=responses(401, 403, 404, 409, 415, 422, 503))
def see_room(services: Services, who: Admin, body: SeenRoom) -> RoomsOverview:
    """It is told no more, until most images of the room show something else."""
    with services.database.begin() as transaction:
        rooms.see(transaction, [body.place], acting(who, body.actor), body.comment, datetime.now(UTC))
    return _overview(services)


def _overview(services: WebServices) -> RoomsOverview:
    with services.database.begin() as transaction:
        every = room_list(transaction, services.settings.policy)
    return RoomsOverview(learns_from=every.learns_from, rooms=list(every.rooms))


ROOMS = Page(of_rooms, rest=True)
PAGE = Page(router, rest=True)
