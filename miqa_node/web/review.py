"""What people do with a flagged study: take it, put it back, decide it; a rejection after a second look."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, HTTPException, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from miqa_node.domain.codes import REASON_CODES
from miqa_node.domain.delivery import ResultObject
from miqa_node.domain.finding import FindingName
from miqa_node.domain.instance import InstanceDigest
from miqa_node.domain.label import Region
from miqa_node.domain.worklist import Resolution, WorklistItem
from miqa_node.report import ReportSettings
from miqa_node.report.rejection import Confirmation, rejection_note
from miqa_node.store import deliveries, history, worklist
from miqa_node.web.access import Reviewer, acting, page_router
from miqa_node.web.api import Actor, Comment, Uid
from miqa_node.web.html import render
from miqa_node.web.services import Services, WebServices

MAX_REGIONS = 50
MAX_POINTS = 100

router = page_router()

ReasonCode = Annotated[str, Form(max_length=16)]
Digests = Annotated[list[str], Form(max_length=1000)]
Names = Annotated[list[str], Form(max_length=100)]


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided, and about which images."""

    resolution: Resolution
    actor: str
    comment: str
    reason: str
    digests: tuple[str, ...]
    regions: Mapping[str, Sequence[Region]]
    archives: tuple[str, ...] = ()
    """Where a rejection note goes."""


@router.post("/studies/{study_uid}/claim")
def claim(services: Services, who: Reviewer, study_uid: Uid, actor: Annotated[Actor, Form()] = "") -> Response:
    """The button "Claim"."""
    with services.database.begin() as transaction:
        worklist.claim(transaction, study_uid, acting(who, actor), datetime.now(UTC))
    return _to(study_uid)


@router.post("/studies/{study_uid}/release")
def release(services: Services, who: Reviewer, study_uid: Uid, actor: Annotated[Actor, Form()] = "") -> Response:
    """The button "Put back"."""
    with services.database.begin() as transaction:
        worklist.unclaim(transaction, study_uid, acting(who, actor), datetime.now(UTC))
    return _to(study_uid)


@router.post("/studies/{study_uid}/resolve")
def resolve(
    services: Services,
    who: Reviewer,
    study_uid: Uid,
    resolution: Annotated[Resolution, Form()],
    actor: Annotated[Actor, Form()] = "",
    comment: Annotated[Comment, Form()] = "",
    reason: ReasonCode = "",
    digest: Digests = [],  # noqa: B006 - FastAPI copies it
    regions: Annotated[str, Form(max_length=32_768)] = "",
    archive: Names = [],  # noqa: B006
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """The four buttons. Confirming a rejection first shows what will happen, and does it when that page is sent."""
    decision = Decision(
        resolution,
        acting(who, actor),
        comment,
        _known_reason(reason),
        tuple(dict.fromkeys(digest)),
        read_regions(regions),
        tuple(dict.fromkeys(archive)),
    )
    if resolution is Resolution.CONFIRMED and not sure:
        with services.database.begin() as transaction:
            item = worklist.show(transaction, study_uid)
        page = render(
            "reject.html",
            who=who,
            item=item,
            decision=decision,
            regions=regions,
            images=[image for image in item.images if not decision.digests or image.digest in decision.digests],
            reason=REASON_CODES.get(decision.reason),
            reasons=sorted(REASON_CODES.values(), key=lambda code: code.value),
            archives=list(services.archives()),
        )
        return HTMLResponse(page)
    decide(services, study_uid, decision)
    return _to(study_uid)


def decide(services: WebServices, study_uid: str, decision: Decision) -> WorklistItem:
    """Write a decision down, and for a rejection queue the note to the chosen archives; all of it or nothing.

    Raises
    ------
    HTTPException
        422: a rejection note is to be sent but there is no reason, no image, or no such archive.
    """
    now = datetime.now(UTC)
    with services.database.begin() as transaction:
        item = worklist.show(transaction, study_uid)
    known = [image.digest for image in item.images]
    if set(decision.digests) - set(known):
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "digest: not a flagged image of this study.")
    rejected = [InstanceDigest(one) for one in decision.digests or known]
    note = None
    if decision.resolution is Resolution.CONFIRMED and decision.archives:
        note = _note(services, rejected, decision, now)
    with services.database.begin() as transaction:
        decided = worklist.resolve(
            transaction,
            study_uid,
            decision.resolution,
            decision.actor,
            decision.comment,
            now,
            digests=rejected if decision.digests or decision.resolution is Resolution.CONFIRMED else (),
            reason=decision.reason,
            regions=decision.regions,
        )
        if note is not None:
            deliveries.record_result(transaction, rejected[0], note, now)
            for archive in decision.archives:
                deliveries.queue(transaction, note, archive, now)
    return decided


def read_regions(text: str) -> dict[str, list[Region]]:
    """What was drawn, by digest; the page sends it as JSON. HTTPException 422 when it is not that."""
    if not text:
        return {}
    try:
        found: dict[str, list[Region]] = {}
        drawn = json.loads(text)
        if not isinstance(drawn, list) or len(drawn) > MAX_REGIONS:
            raise ValueError("too many")  # noqa: TRY301
        for one in drawn:
            finding = str(one.get("finding", ""))
            if finding:
                FindingName(finding)
            found.setdefault(str(one["digest"]), []).append(Region(_points(one["points"]), finding))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "regions: not what this page draws.") from error
    return found


def _points(given: Any) -> tuple[tuple[float, float], ...]:
    points = tuple((float(x), float(y)) for x, y in given)
    if not 2 < len(points) <= MAX_POINTS or not all(0.0 <= value <= 1.0 for point in points for value in point):
        raise ValueError("a region is a polygon of fractions of width and height")
    return points


def _note(services: WebServices, digests: Sequence[InstanceDigest], decision: Decision, now: datetime) -> ResultObject:
    """The rejection note, in the object store; it exists for others only when its rows are written."""
    unknown = set(decision.archives) - set(services.archives())
    if unknown:
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"archive: {', '.join(sorted(unknown))} takes no rejection notes."
        )
    if not decision.reason:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "reason: say why, with a code value of CID 7011.")
    with services.database.begin() as transaction:
        images = [history.of_instance(transaction, digest) for digest in digests]
    if not images or images[0].assessment is None:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "digest: no assessed image is left to reject.")
    paths = [services.objects.local_path(image.instance.object_key) for image in images]
    said = Confirmation(decision.actor, now, decision.reason, decision.comment)
    made = rejection_note(paths, images[0].assessment, said, ReportSettings(services.settings.node.name))
    key = f"results/{digests[0][:2]}/{made.sop_instance_uid}.dcm"
    services.objects.put(key, made.data)
    return ResultObject(made.sop_instance_uid, made.sop_class_uid, made.kind, key)


def _known_reason(reason: str) -> str:
    if reason and reason not in REASON_CODES:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "reason: no code value of CID 7011.")
    return reason


def _to(study_uid: str) -> Response:
    return RedirectResponse(f"/studies/{study_uid}", HTTPStatus.SEE_OTHER)
