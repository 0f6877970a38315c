"""The REST interface to usual ranges: the histories of scanners, one of them, and where a series stands."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.errors import NotFoundError
from miqa_node.features.usual_ranges.rows import baselines, confirmations
from miqa_node.features.usual_ranges.rows.baselines import (
    ScannerBaseline,
    SeriesStanding,
    UnusualSeries,
)
from miqa_node.features.usual_ranges.rows.changes import ScannerChange, scanner_changes
from miqa_node.interfaces.web.access import Admin, Reader, acting
from miqa_node.interfaces.web.fields import MAX_OFFSET, MAX_PAGE, Actor
from miqa_node.interfaces.web.page import Page
from miqa_node.interfaces.web.problems import responses
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import DIGEST, NO_CONTROLS, Strict

BASELINE = r"^[0-9a-f]{16}$"

router = APIRouter(prefix="/api/v1/ranges", tags=["usual ranges"])

Station = Annotated[str, Query(max_length=128, pattern=NO_CONTROLS, description="Only those of this Station Name.")]


class BaselinePage(BaseModel):
    """Some of the histories, by station; those with the newest series first."""

    items: list[ScannerBaseline]
    total: int
    limit: int
    offset: int
    changes: list[ScannerChange] = Field(description="Changes of software, devices and hospitals, the newest first.")


class RangeDecision(StrEnum):
    """What a person decides about the ranges of a history."""

    CONFIRM = "confirm"
    WITHDRAW = "withdraw"


class RangeChange(Strict):
    """The person who decides."""

    actor: Actor = ""


class BaselineDetail(BaseModel):
    """One history with its unusual series, the newest first."""

    baseline: ScannerBaseline
    unusual: list[UnusualSeries]


@router.get("", summary="List the histories of scanners", responses=responses(401, 403, 422, 503))
def list_ranges(
    services: Services,
    _who: Reader,
    station: Station = "",
    limit: Annotated[int | None, Query(ge=1, le=MAX_PAGE)] = None,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> BaselinePage:
    """Each is of a scanner with its software, a protocol and a body part, and has the usual range of measurements."""
    most = limit or services.settings.web.page_size
    with services.database.begin() as transaction:
        items = baselines.page(transaction, datetime.now(UTC), station=station, limit=most, offset=offset)
        total = baselines.count(transaction, station)
        changes = scanner_changes(transaction, station)
    return BaselinePage(items=items, total=total, limit=most, offset=offset, changes=changes)


@router.get("/{baseline}", summary="The usual ranges of one history", responses=responses(401, 403, 404, 422, 503))
def one_range(
    services: Services,
    _who: Reader,
    baseline: Annotated[str, Path(pattern=BASELINE, description="As the list has it.")],
) -> BaselineDetail:
    """With changes of level, and what a new version of the software or another device changed."""
    with services.database.begin() as transaction:
        loaded = baselines.load(transaction, baseline, datetime.now(UTC))
        return BaselineDetail(baseline=loaded, unusual=baselines.unusual_series(transaction, baseline))


@router.post(
    "/{baseline}/{decision}",
    summary="Confirm or withdraw the usual ranges of one history",
    responses=responses(401, 403, 404, 409, 415, 422, 503),
)
def decide_range(
    services: Services,
    who: Admin,
    baseline: Annotated[str, Path(pattern=BASELINE, description="As the list has it.")],
    decision: RangeDecision,
    body: RangeChange,
) -> ScannerBaseline:
    """Confirmed ranges ask for REVIEW where the policy says so; withdrawn ones are hints again."""
    change = confirmations.confirm if decision is RangeDecision.CONFIRM else confirmations.withdraw
    with services.database.begin() as transaction:
        return change(transaction, baseline, acting(who, body.actor), datetime.now(UTC))


@router.get(
    "/images/{digest}",
    summary="Whether a series is unusual for its scanner",
    responses=responses(401, 403, 404, 422, 503),
)
def standing_of(
    services: Services,
    _who: Reader,
    digest: Annotated[str, Path(pattern=DIGEST, description="SHA-256 of the image, or of one of the series.")],
) -> SeriesStanding:
    """What was outside the ranges of the series before it; nothing if there were too few."""
    with services.database.begin() as transaction:
        standing = baselines.standing(transaction, InstanceDigest(digest), datetime.now(UTC))
    if standing is None:
        raise NotFoundError("Nothing was measured of this image that has a usual range, or not yet.")
    return standing


PAGE = Page(router, rest=True)
