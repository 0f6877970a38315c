"""The REST interface to pilots: how far they are, and their figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.study_protocol import PROTOCOL_NAME
from miqa_node.features.pilot.figures import PilotFigures, figures_of
from miqa_node.features.pilot.progress import PilotCounts
from miqa_node.features.pilot.rows import images, pilots
from miqa_node.features.pilot.rows.lines import lines_of
from miqa_node.interfaces.web.access import Admin
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.runtime.store.database import Transaction

router = APIRouter(prefix="/api/v1/pilots", tags=["pilots"])


@dataclass(frozen=True, slots=True)
class PilotStatus:
    """A pilot with the hash of its protocol and how far it is."""

    name: str
    protocol_sha256: str
    is_paused: bool
    counts: PilotCounts
    missing: dict[str, str]
    """By day why the source could not list all that it has."""
    not_delivered: dict[str, int]
    """Images that the source could not give, by its words."""


@router.get("", summary="List pilots", responses=responses(401, 403, 503))
def list_pilots(services: Services, _who: Admin) -> list[PilotStatus]:
    """The newest first."""
    with services.database.begin() as transaction:
        return [_status(transaction, one) for one in pilots.select(transaction)]


def _status(transaction: Transaction, one: pilots.StoredPilot) -> PilotStatus:
    counts, missing = pilots.counts(transaction, one.name), pilots.missing(transaction, one.name)
    failed = Counter(why for _, why in images.failures(transaction, one.name))
    return PilotStatus(one.name, one.protocol_sha256, one.is_paused, counts, missing, failed)


@router.get("/{name}", summary="Show the figures of a pilot", responses=responses(401, 403, 404, 422, 503))
def show_pilot(
    services: Services, _who: Admin, name: Annotated[str, Path(pattern=f"^{PROTOCOL_NAME}$")]
) -> PilotFigures:
    """What its report says, as far as it was read."""
    with services.database.begin() as transaction:
        return figures_of(lines_of(transaction, name, services.settings.policy, services.policy_in_force))


PAGE = Page(router, Permission.ADMIN, rest=True)
