"""The histories of scanners with their usual ranges, and the note about one series on the page of its study."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Response
from fastapi.responses import RedirectResponse

from miqa_node.core.domain.access import Permission
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.features.usual_ranges.api import BASELINE, RangeDecision, Station
from miqa_node.features.usual_ranges.baseline import LEAST_SERIES, LEAST_SPAN, SOON_SPAN
from miqa_node.features.usual_ranges.page.curves import curves
from miqa_node.features.usual_ranges.page.small_curve import small_curves
from miqa_node.features.usual_ranges.rows import baselines, confirmations
from miqa_node.features.usual_ranges.rows.changes import scanner_changes
from miqa_node.features.usual_ranges.rows.points import newest_points
from miqa_node.interfaces.web.access import Admin, Reader, acting
from miqa_node.interfaces.web.card import STUDY_IMAGE, STUDY_NUMBER, CardContext, ImageOnPage, PageCard
from miqa_node.interfaces.web.fields import MAX_OFFSET, Actor
from miqa_node.interfaces.web.html.pages import render
from miqa_node.interfaces.web.page import Navigation, Page
from miqa_node.interfaces.web.services import Services
from miqa_node.interfaces.web.values import DIGEST

LEAST = {"least_series": LEAST_SERIES, "least_days": LEAST_SPAN.days, "soon_days": SOON_SPAN.days}

MOST_BEFORE = 100
"""Series of the history before, beside those of one."""

router = APIRouter()


@router.get("/ranges")
def ranges_page(
    services: Services,
    who: Reader,
    station: Station = "",
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
) -> str:
    """All histories, those with unusual series first, and what changed on the scanners."""
    limit = services.settings.web.page_size
    with services.database.begin() as transaction:
        listed = baselines.page(
            transaction, datetime.now(UTC), station=station, limit=limit, offset=offset, unusual_first=True
        )
        total = baselines.count(transaction, station)
        changes = scanner_changes(transaction, station)
    return render(
        "usual_ranges/ranges.html",
        who=who,
        listed=[one for one in listed if one.ranges],
        few=[one for one in listed if not one.ranges],
        total=total,
        changes=changes,
        station=station,
        newer=max(0, offset - limit) if offset else None,
        older=offset + limit if offset + limit < total else None,
        **LEAST,
    )


@router.get("/ranges/{baseline}")
def baseline_page(services: Services, who: Reader, baseline: Annotated[str, Path(pattern=BASELINE)]) -> str:
    """One history: its ranges as curves, changes and unusual series."""
    with services.database.begin() as transaction:
        one = baselines.load(transaction, baseline, datetime.now(UTC))
        unusual = baselines.unusual_series(transaction, baseline)
        points = newest_points(transaction, baseline)
        earlier = next((change.earlier for change in one.changes if change.earlier), "")
        before = newest_points(transaction, earlier, MOST_BEFORE) if earlier else []
    drawn = curves(one.ranges, points, before, one.changes)
    return render(
        "usual_ranges/baseline.html",
        who=who,
        one=one,
        unusual=unusual,
        curves=drawn,
        earlier=earlier,
        may_decide=who.may(Permission.ADMIN),
        **LEAST,
    )


@router.post("/ranges/{baseline}/{decision}")
def decide(
    services: Services,
    who: Admin,
    baseline: Annotated[str, Path(pattern=BASELINE)],
    decision: RangeDecision,
    actor: Annotated[Actor, Form()] = "",
) -> Response:
    """Let the ranges of a history flag under a name, or take that back."""
    change = confirmations.confirm if decision is RangeDecision.CONFIRM else confirmations.withdraw
    with services.database.begin() as transaction:
        change(transaction, baseline, acting(who, actor), datetime.now(UTC))
    return RedirectResponse(f"/ranges/{baseline}", HTTPStatus.SEE_OTHER)


@router.get("/ranges/images/{digest}")
def note(services: Services, _: Reader, digest: Annotated[str, Path(pattern=DIGEST)]) -> str:
    """What the page of a study says of an image; empty if there is nothing to compare."""
    with services.database.begin() as transaction:
        standing = baselines.standing(transaction, InstanceDigest(digest), datetime.now(UTC))
    return render("usual_ranges/note.html", standing=standing, **LEAST) if standing is not None else ""


def _of_measured(_: CardContext, images: Sequence[ImageOnPage]) -> list[dict[str, object] | None]:
    return [{} if one.is_measured else None for one in images]


PAGE = Page(router, Permission.READ, file=__file__, navigation=Navigation("Ranges", "/ranges", 4))
CARD = PageCard(STUDY_IMAGE, "card.html", __file__, _of_measured)
"""Its page loads the note."""
CURVE = PageCard(STUDY_NUMBER, "small_curve.html", __file__, small_curves, style="small_curve.css")
