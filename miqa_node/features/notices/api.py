"""The REST interface to one's own notices by e-mail."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.notice import NoticePreference
from miqa_node.features.notices.page.wishes import ADDRESS, MAX_ROOMS, TIME, keep
from miqa_node.features.notices.rows import notices
from miqa_node.interfaces.web.access import Reader
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Strict

router = APIRouter(prefix="/api/v1/accounts/own/notices", tags=["accounts"])


class NoticeChoice(Strict):
    """What the caller wants to hear of by e-mail; without rooms of all, without an address nothing."""

    address: str = Field("", max_length=254, pattern=ADDRESS)
    language: str = Field("", max_length=8, description="Empty is the site's.")
    rooms: list[Annotated[str, Field(max_length=64, pattern=NO_CONTROLS)]] = Field([], max_length=MAX_ROOMS)
    digest: bool = Field(True, description="After each shift, the studies flagged in it; also rooms to look at.")
    escalation: bool = Field(False, description="Rejects that nobody has decided for web.escalate_minutes.")
    machines: bool = Field(False, description="Phantom scans that fail or are overdue.")
    quiet_from: str = Field("", pattern=TIME, description="As 22:00, on the site's clock.")
    quiet_until: str = Field("", pattern=TIME)


@router.get("", summary="Show your notices", responses=responses(401, 403, 503))
def show_notices(services: Services, who: Reader) -> NoticeChoice:
    """What the caller gets by e-mail."""
    with services.database.begin() as transaction:
        wish = notices.preference(transaction, who.name)
    return NoticeChoice(**{key: value for key, value in asdict(wish).items() if key != "account"})


@router.post("", summary="Choose your notices", responses=responses(401, 403, 409, 415, 422, 503))
def choose_notices(services: Services, who: Reader, body: NoticeChoice) -> NoticeChoice:
    """Nobody chooses for somebody else."""
    wish = NoticePreference(who.name, **{**body.model_dump(), "rooms": tuple(body.rooms)})
    keep(services, wish)
    return body


PAGE = Page(router, Permission.READ, rest=True)
