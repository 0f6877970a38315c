"""The REST interface to judging images again: dry run and request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.domain.reassessment import MAX_REASSESSMENTS, ReassessmentCandidate, ReassessmentFilter
from miqa_node.core.domain.verdict import Verdict
from miqa_node.features.reassess.page.again import reassessment_of
from miqa_node.interfaces.web.access import Admin, acting
from miqa_node.interfaces.web.fields import Actor, Comment
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import NO_CONTROLS, Moment, Strict

DigestOrUid = Annotated[str, Field(pattern=f"^{ANY_UID}$")]
PackageName = Annotated[str, Field(max_length=128, pattern=NO_CONTROLS)]

router = APIRouter(prefix="/api/v1/reassessments", tags=["reassessments"])


class ReassessmentRequest(Strict):
    """Which images; omitted fields match everything, but one must be given."""

    uids: list[DigestOrUid] = Field([], max_length=1000, description="Digests, or study, series or SOP instance UIDs.")
    since: Moment | None = Field(None, description="Judged at this time or later; with time zone.")
    until: Moment | None = Field(None, description="Judged before this time; with time zone.")
    verdict: list[Verdict] = Field([], description="Their verdict now.")
    package: list[PackageName] = Field([], max_length=100, description="Name or <name>-<version> of the package.")
    because: str = Field("", max_length=200, pattern=NO_CONTROLS, description="Part of a reason.")
    limit: int = Field(
        1000,
        ge=1,
        le=MAX_REASSESSMENTS,
        description="Maximum number of matching images, each slice counted, the oldest first.",
    )
    usual_now: bool = Field(False, description="By the usual ranges of machines of now, not those of the last verdict.")
    dry_run: bool = Field(True, description="Only say what would be judged again.")
    actor: Actor = ""
    comment: Comment = ""


class ReassessmentReply(BaseModel):
    """The images that match; one with an obstacle cannot be judged again."""

    candidates: list[ReassessmentCandidate]
    truncated: bool = Field(description="More match than the limit allows.")
    queued: int = Field(description="How many requests are new; 0 for a dry run.")
    dry_run: bool


@router.post("", summary="Judge images again", responses=responses(401, 403, 409, 415, 422, 503))
def reassess(services: Services, who: Admin, body: ReassessmentRequest) -> ReassessmentReply:
    """A dry run unless ``dry_run`` is false. The verdict in force stays until the new one is there."""
    chosen = ReassessmentFilter(
        tuple(body.uids),
        body.since,
        body.until,
        tuple(body.verdict),
        tuple(body.package),
        body.because,
        body.limit,
    )
    again = services.of(reassessment_of)
    plan, request_count = again.plan(chosen), 0
    if not body.dry_run:
        now = datetime.now(UTC)
        request_count = again.begin(plan, acting(who, body.actor), body.comment, now, usual_now=body.usual_now)
    return ReassessmentReply(
        candidates=list(plan.candidates), truncated=plan.truncated, queued=request_count, dry_run=body.dry_run
    )


PAGE = Page(router, rest=True)
