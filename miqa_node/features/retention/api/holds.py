"""The REST interface to legal holds: list, set and clear."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from miqa_node.core.domain.retention import LegalHold
from miqa_node.features.retention.rows import holds
from miqa_node.interfaces.web.access import Admin, acting
from miqa_node.interfaces.web.fields import MAX_ID, Actor, Comment
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import CHANGE_ERRORS, responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Strict

HoldNumber = Annotated[int, Path(ge=1, le=MAX_ID, description="Number of the hold.")]


class NewHold(Strict):
    """What is held: a study, or all studies of a patient; and why."""

    actor: Actor = ""
    study_instance_uid: str = Field("", pattern=r"^[0-9.]{0,64}$")
    patient_id: str = Field("", max_length=64, pattern=NO_CONTROLS)
    authority: str | None = Field(
        None, max_length=256, pattern=NO_CONTROLS, description="Who assigned the Patient ID, if several did."
    )
    reason: Comment = ""


class HoldClearing(Strict):
    """Why the hold is cleared."""

    actor: Actor = ""
    reason: Comment = ""


router = APIRouter(prefix="/api/v1/holds", tags=["retention"])


@router.get("", summary="List legal holds", responses=responses(401, 403, 422, 503))
def list_holds(
    services: Services, _who: Admin, cleared: Annotated[bool, Query(description="Those that ended, too.")] = False
) -> list[LegalHold]:
    """Legal holds, newest first."""
    with services.database.begin() as transaction:
        return holds.select(transaction, cleared=cleared)


@router.post("", summary="Set a legal hold", responses=CHANGE_ERRORS)
def put_hold(services: Services, who: Admin, body: NewHold) -> LegalHold:
    """Nothing of the study or patient is removed or erased until the hold is cleared."""
    now, actor = datetime.now(UTC), acting(who, body.actor)
    with services.database.begin() as transaction:
        return holds.put(
            transaction, body.study_instance_uid, body.patient_id, body.reason, actor, now, authority=body.authority
        )


@router.post("/{hold_id}/clear", summary="Clear a legal hold", responses=CHANGE_ERRORS)
def clear_hold(services: Services, who: Admin, hold_id: HoldNumber, body: HoldClearing) -> LegalHold:
    """Retention may remove what was held from now on."""
    with services.database.begin() as transaction:
        return holds.clear(transaction, hold_id, body.reason, acting(who, body.actor), datetime.now(UTC))


PAGE = Page(router, rest=True)
