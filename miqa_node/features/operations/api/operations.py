"""The REST interface to the operations page: the state of destinations, senders, disks and jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from miqa_node.core.domain.model_choice import Activation, Slot
from miqa_node.core.domain.operations import DestinationAction
from miqa_node.features.operations.page.operations import OperationsReport, act, look
from miqa_node.interfaces.web.access import Admin, Reader, acting
from miqa_node.interfaces.web.fields import Actor, Comment
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import Strict
from miqa_node.runtime.site_records import activations, notice_status

DestinationName = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Name of the destination.")]

router = APIRouter(prefix="/api/v1", tags=["operations"])


class DestinationChange(Strict):
    """The person who acts, and the reason."""

    actor: Actor = ""
    comment: Comment = ""


class ActionDone(BaseModel):
    """What was done."""

    done: str = Field(description="In words.")


@router.get("/operations", summary="How the node and its surroundings do", responses=responses(401, 403, 503))
def show_operations(services: Services, _who: Reader) -> OperationsReport:
    """Alarms, destinations, senders, disks, models, policy and jobs at this moment."""
    report = look(services)
    if not services.settings.notices.used:
        return report
    with services.database.begin() as transaction:
        return replace(report, notices=notice_status.status(transaction, report.at))


@router.get("/models/history", summary="Every choice of a model package", responses=responses(401, 403, 503))
def show_model_history(services: Services, _who: Reader) -> list[Activation]:
    """Activations, rollbacks and shadows, oldest first; `operations` says which packages are in force."""
    with services.database.begin() as transaction:
        choices = [one for slot in Slot for one in activations.history(transaction, slot)]
    return sorted(choices, key=lambda one: one.at)


@router.post(
    "/destinations/{destination}/{action}",
    summary="Echo, hold, release, resend or drain",
    responses=responses(401, 403, 404, 409, 415, 422, 502, 503),
)
def change_destination(
    services: Services, who: Admin, destination: DestinationName, action: DestinationAction, body: DestinationChange
) -> ActionDone:
    """Ask whether it answers; stop and resume sending; send again what was given up; try what waits at once."""
    return ActionDone(done=act(services, destination, action, acting(who, body.actor), body.comment))


PAGE = Page(router, rest=True)
