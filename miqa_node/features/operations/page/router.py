"""The operations page (destinations, senders, disks, jobs) and the banner of alarms on every page."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse

from miqa_node.core.domain.access import Permission, Principal
from miqa_node.core.domain.operations import DestinationAction
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import DeliveryError, ResourcesError
from miqa_node.features.operations.page.operations import act, look
from miqa_node.interfaces.web.access import Admin, Reader, acting
from miqa_node.interfaces.web.card import EVERY_HEAD, OPERATIONS, WORKLIST_NUMBER, CardContext, NumberOnPage, PageCard
from miqa_node.interfaces.web.fields import Actor, Comment
from miqa_node.interfaces.web.html.cards import PageCards
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page, Trait
from miqa_node.interfaces.web.services import Services, WebServices

ALARMS = "/operations/alarms"
"""The banner, which every page polls."""
SECTIONS = {"in_work": "jobs", "deliveries_waiting": "destinations", "deliveries_failed": "destinations"}
"""Where the page tells more of figures above the worklist."""

router = APIRouter()


@router.get("/operations")
def operations_page(services: Services, who: Reader) -> str:
    """The current state; the page polls it."""
    return _page(services, who)


@router.post("/operations")
def change(
    services: Services,
    who: Admin,
    do: Annotated[str, Form(pattern=r"^(echo|hold|release|resend|drain) [A-Za-z0-9._-]{1,64}$")],
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
) -> str:
    """The buttons of a destination."""
    action, _, destination = do.partition(" ")
    done = failed = ""
    try:
        done = act(services, destination, DestinationAction(action), acting(who, actor), comment)
    except DeliveryError as error:
        failed = Phrase("{destination}: {error}", destination=destination, error=error)
    return _page(services, who, done, failed)


@router.get(ALARMS)
def banner(
    services: Services, _who: Reader, shown: Annotated[str, Query(alias="seen", max_length=16)] = ""
) -> Response:
    """The banner: why the node is not ready, then alarms; 204 if unchanged, so screen readers do not read it again."""
    not_ready = services.recent_readiness.get(None)
    try:
        alarms = services.recent_alarms.get(None)
    except ResourcesError:  # without the database only the readiness can be told, and it says why
        alarms = ()
    state = {"not_ready": not_ready, "starting": services.starting(), "alarms": alarms}
    mark = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    if shown == mark:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return HTMLResponse(render("operations/alarms.html", mark=mark, **state))


def _page(services: WebServices, who: Principal, done: str = "", failed: str = "") -> str:
    cards = PageCards(services, who)
    return render(
        "operations/operations.html",
        who=who,
        report=look(services),
        starting=services.starting(),
        may=who.may(Permission.ADMIN),
        done=done,
        failed=failed,
        cards=cards,
        of_others=cards.of(OPERATIONS, None),
    )


def _sections(_: CardContext, numbers: Sequence[NumberOnPage]) -> list[dict[str, object] | None]:
    sections = [SECTIONS.get(one.name) for one in numbers]
    return [None if one is None else {"section_id": one} for one in sections]


PAGE = Page(
    router,
    Permission.READ,
    file=__file__,
    navigation=Navigation("Operations", "/operations", 5),
    traits={ALARMS: Trait.POLLED},
)
BANNER = PageCard(EVERY_HEAD, "banner.html", __file__, permission=Permission.READ)
NUMBERS = PageCard(WORKLIST_NUMBER, "number.html", __file__, _sections)
