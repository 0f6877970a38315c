"""The REST interface to originals that retention removed: fetched from the archives that the site names."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from miqa_node.domain.retention import Retrieval
from miqa_node.web.access import Reviewer
from miqa_node.web.fields import Strict
from miqa_node.web.page import Page
from miqa_node.web.problems import responses
from miqa_node.web.services import Services

router = APIRouter(prefix="/api/v1/retrievals", tags=["retention"])


class RetrievalRequest(Strict):
    """Which originals."""

    uid: Annotated[str, Field(pattern=r"^([0-9.]{1,64}|[0-9a-f]{64})$")] = Field(
        description="A study, series or SOP instance UID, or a digest."
    )


@router.post("", summary="Fetch removed originals", responses=responses(401, 403, 404, 409, 415, 422, 503))
def fetch(services: Services, _who: Reviewer, body: RetrievalRequest) -> Retrieval:
    """Originals that retention removed are here again if an archive has them as they came; 500 at most."""
    return services.fetch_removed(body.uid)


PAGE = Page(router, rest=True)
