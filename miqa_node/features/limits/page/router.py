"""The page of limits against alarm fatigue: what rooms have learned, and what one's own limits would flag per day."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.room import Place
from miqa_node.core.domain.site_limit import FEW_DEFECTS, LimitProposal, RoomLimit, SiteLimits
from miqa_node.core.language.catalogue import numerals, reworded
from miqa_node.core.settings.policy import read_policy
from miqa_node.core.words.formats import finding
from miqa_node.core.words.image_title import anatomy_words
from miqa_node.features.limits import own_limits
from miqa_node.features.limits.learning import signs
from miqa_node.features.limits.page.silence import silent_parts
from miqa_node.features.limits.page.strip import strips
from miqa_node.features.limits.room_list import room_list
from miqa_node.features.limits.rows import room_images
from miqa_node.interfaces.web.access import Admin, Reader, acting
from miqa_node.interfaces.web.fields import Actor, Comment
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import DIGEST, NO_CONTROLS
from miqa_node.runtime.site_records import rooms, site_limits
from miqa_node.stages.units.rows import instances

MAX_NUMBER = 2**31 - 1
MOST_SETS = 20

SetNumber = Annotated[int, Form(ge=1, le=MAX_NUMBER)]
Name = Annotated[str, Form(max_length=64)]
Word = Annotated[str, Query(max_length=64, pattern=NO_CONTROLS)]

router = APIRouter()


@router.get("/tuning")
def tuning_page(
    services: Services, who: Reader, shown: Annotated[int, Query(alias="set", ge=0, le=MAX_NUMBER)] = 0
) -> str:
    """The limits in force, all sets, and one set with its effect."""
    with services.database.begin() as transaction:
        in_force = site_limits.current(transaction)
        listed = room_list(transaction, services.settings.policy)
        sets = site_limits.history(transaction, limit=MOST_SETS)
        limit_set = site_limits.load(transaction, shown) if shown else None
    return render(
        "tuning/tuning.html",
        who=who,
        sets=sets,
        shown=limit_set,
        in_force=in_force,
        silent=silent_parts(services),
        may_confirm=who.may(Permission.ADMIN),
        room_list=listed,
        newest=max(
            (one.number for one in sets if one.confirmed_at or (one.in_force_at and one != limit_set)), default=0
        ),
        number=shown,
        **_effect(limit_set.proposal if limit_set else None, in_force),
    )


@router.get("/tuning/places")
def place_page(
    services: Services,
    who: Reader,
    package: Word = "",
    body_part: Word = "",
    room: Word = "",
    view: Word = "",
    detector: Word = "",
) -> str:
    """What images of one place usually show, with its limits and the images beyond them."""
    place, policy = Place(package, body_part, room, view, detector), read_policy(services.settings.policy_file)
    with services.database.begin() as transaction:
        images = room_images.newest(transaction, place)[: room_images.MOST_TAUGHT]
        in_force = site_limits.current(transaction)
    shown = strips(images, in_force, signs(policy))
    return render("tuning/place.html", who=who, place=place, images=len(images), strips=shown)


@router.get("/tuning/images/{digest}")
def image_of(services: Services, _: Reader, digest: Annotated[str, Path(pattern=DIGEST)]) -> Response:
    """The study of an image that lies near a limit."""
    with services.database.begin() as transaction:
        uid = instances.load(transaction, InstanceDigest(digest)).header.study_instance_uid
    return RedirectResponse(f"/studies/{uid}", HTTPStatus.SEE_OTHER)


@router.post("/tuning/confirm")
def confirm(
    services: Services,
    who: Admin,
    number: SetNumber,
    comment: Annotated[Comment, Form()],
    actor: Annotated[Actor, Form()] = "",
    second_look: Annotated[bool, Form()] = False,
) -> Response:
    """Put a set in force under a name."""
    with services.database.begin() as transaction:
        site_limits.confirm(
            transaction, number, acting(who, actor), comment, datetime.now(UTC), second_look=second_look
        )
    return _show(number)


@router.post("/tuning/withdraw")
def withdraw(
    services: Services, who: Admin, comment: Annotated[Comment, Form()] = "", actor: Annotated[Actor, Form()] = ""
) -> Response:
    """Go back to the limits of the policy."""
    with services.database.begin() as transaction:
        site_limits.withdraw(transaction, acting(who, actor), comment, datetime.now(UTC))
    return RedirectResponse("/tuning", HTTPStatus.SEE_OTHER)


@router.post("/tuning/learn")
def learn(
    services: Services, who: Admin, comment: Annotated[Comment, Form()] = "", actor: Annotated[Actor, Form()] = ""
) -> Response:
    """Let all rooms learn anew."""
    services.settings.policy.images_to_learn()
    with services.database.begin() as transaction:
        rooms.learn_anew(transaction, acting(who, actor), comment, datetime.now(UTC))
    return RedirectResponse("/tuning", HTTPStatus.SEE_OTHER)


@router.post("/tuning/seen")
def see(
    services: Services,
    who: Admin,
    package: Name = "",
    body_part: Name = "",
    room: Name = "",
    view: Name = "",
    detector: Name = "",
    comment: Annotated[Comment, Form()] = "",
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """Say that somebody has seen what is told of a room."""
    with services.database.begin() as transaction:
        place = Place(package, body_part, room, view, detector)
        rooms.see(transaction, [place], acting(who, actor), comment, datetime.now(UTC))
    return RedirectResponse("/tuning", HTTPStatus.SEE_OTHER)


@router.post("/tuning/silence")
def end_silence(
    services: Services,
    who: Admin,
    body_part: Annotated[str, Form(max_length=64)] = "",
    comment: Annotated[Comment, Form()] = "",
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """End the silent days of one body part under a name."""
    with services.database.begin() as transaction:
        site_limits.end_silence(transaction, body_part, acting(who, actor), comment, datetime.now(UTC))
    return RedirectResponse("/tuning", HTTPStatus.SEE_OTHER)


def line_of(limit: RoomLimit) -> str:
    """A limit in the words of the page."""
    package = f" ({limit.package})" if limit.package else ""
    place = anatomy_words(reworded(limit.place))
    return f"{finding(limit.finding)}, {place}{package}: {numerals(f'{limit.least_strength:.2f}')}"


def _show(number: int) -> Response:
    return RedirectResponse("/tuning?" + urlencode({"set": number}), HTTPStatus.SEE_OTHER)


def _effect(proposal: LimitProposal | None, in_force: SiteLimits) -> dict[str, object]:
    after = [one.limit for one in proposal.limits] if proposal else []
    changes = own_limits.difference(in_force.limits, after, line_of) if proposal else ()
    return {"proposal": proposal, "changes": changes, "few": FEW_DEFECTS}


PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Tuning", "/tuning", 6))
