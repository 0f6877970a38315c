"""The REST interface to retention: kept originals with reasons, and fetching removed ones from the site's archives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from miqa_node.core.domain.retention import Retrieval
from miqa_node.features.retention.page.retrieval import fetch_of
from miqa_node.features.retention.rows import retention
from miqa_node.features.retention.rows.retention import AgeLimits, Holding
from miqa_node.interfaces.web.access import Reader, Reviewer
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import CHANGE_ERRORS, responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import Strict

router = APIRouter(prefix="/api/v1", tags=["retention"])


class RetrievalRequest(Strict):
    """Which originals."""

    uid: Annotated[str, Field(pattern=r"^([0-9.]{1,64}|[0-9a-f]{64})$")] = Field(
        description="A study, series or SOP instance UID, or a digest."
    )


@router.get("/retention", summary="What the node keeps and would remove", responses=responses(401, 403, 503))
def show_retention(services: Services, _who: Reader) -> list[Holding]:
    """Kept originals by the reason why they stay, with how many are older than their limit now."""
    rules = services.settings.retention
    limits = AgeLimits(rules.accepted_days, rules.flagged_days, rules.sources)
    with services.database.begin() as transaction:
        return retention.holdings(transaction, limits, datetime.now(UTC))


@router.post("/retrievals", summary="Fetch removed originals", responses=CHANGE_ERRORS)
def fetch(services: Services, _who: Reviewer, body: RetrievalRequest) -> Retrieval:
    """Originals that retention removed are here again if an archive has them as they came; 500 at most."""
    return services.of(fetch_of)(body.uid)


PAGE = Page(router, rest=True)
