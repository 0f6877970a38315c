"""Proposes limits of soft findings for an alarm budget, from judged, unlabelled images.

Hard findings, measurements, contradictions and anomalies flag images regardless of the budget. The rest of the budget
goes to the soft findings in equal tails: in each room and view, each finding may flag the same share of images, the
strongest ones. Bisection finds the largest such share at which all rules together stay within the budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import unified_diff

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.site_limit import LimitProposal, LimitSet, NearImage, ProposedLimit, RoomLimit, SiteLimits
from miqa_node.errors import ConflictError
from miqa_node.runtime.store import site_limits
from miqa_node.runtime.store.database import Transaction

FEWEST = 40
"""Minimum number of images for separate limits of a room and view; smaller groups are pooled."""
MOST_IMAGES = 5000
"""Maximum number of images for a proposal, the newest ones."""
LEAST_STRENGTH = 0.25
"""Lowest limit that is ever proposed, however rare the finding is in a room."""
NEAREST = 6
BISECTIONS = 30

Group = tuple[str, str]
"""(room, view); empty means all others."""


@dataclass(frozen=True, slots=True)
class BudgetImage:
    """One judged image: its room and view, and the strengths of soft findings that are present.

    ``judged``: the soft findings that its model knows. ``always``: other rules flag the image; ``before``: the policy
    flags it with its own limits.
    """

    digest: InstanceDigest
    sop_instance_uid: str
    room: str
    view: str
    judged: frozenset[FindingName]
    strengths: Mapping[FindingName, float]
    always: bool
    before: bool
    day: date | None = None


def propose_limits(transaction: Transaction, policy: Policy, budget: float, now: datetime) -> LimitSet:
    """Make and store a proposal from the results of the model in force; nothing changes until a person confirms it.

    Raises
    ------
    ConflictError
        The model in force has judged too few images.
    """
    images = newest_images(transaction, policy)
    soft = {rule.finding for scope in policy.scopes for rule in scope.findings if rule.soft}
    names = {name for image in images for name in image.judged}
    return site_limits.propose(transaction, propose(images, sorted(soft & names), budget), now)


def newest_images(transaction: Transaction, policy: Policy) -> list[BudgetImage]:
    """The newest images that the model in force judged and that soft findings may flag."""
    judged = site_limits.newest_assessments(transaction, limit=MOST_IMAGES)
    return [image for one in judged if (image := budget_image(one, policy)) is not None]


def budget_image(assessment: Assessment, policy: Policy) -> BudgetImage | None:
    """Data of an assessment for the budget; None if no soft rule covers it, or the image shows no patient."""
    header = assessment.header
    scope = policy.scope_of(header)
    soft = {rule.finding for rule in scope.findings if rule.soft} if scope is not None else set()
    if scope is None or not soft or header.quality_control:
        return None
    hard = replace(scope, findings=tuple(rule for rule in scope.findings if not rule.soft))
    without = replace(policy, scopes=(replace(hard, ignored_findings=(*hard.ignored_findings, *soft)),))
    plain = replace(policy, site_limits=SiteLimits())
    strengths = {f.name: f.strength for f in assessment.findings if f.name in soft and f.present}
    return BudgetImage(
        assessment.digest, header.sop_instance_uid, header.station_name, header.view_position,
        frozenset(f.name for f in assessment.findings if f.name in soft), strengths,
        decide_quality(assessment, without).verdict.flagged, decide_quality(assessment, plain).verdict.flagged,
        assessment.assessed_at.date(),
    )  # fmt: skip


def propose(images: Sequence[BudgetImage], findings: Iterable[FindingName], budget: float) -> LimitProposal:
    """Limits with which at most a share ``budget`` of these images is flagged; ConflictError if there are too few."""
    _check_number(images)
    names = tuple(findings)
    groups = grouped(images)
    low, high = 0.0, budget
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (
            (middle, high)
            if _flagged(images, _limits(groups, names, middle)) <= budget * len(images)
            else (low, middle)
        )
    return _proposal(images, groups, _limits(groups, names, low), budget, low)


def appraise(images: Sequence[BudgetImage], limits: Sequence[RoomLimit]) -> LimitProposal:
    """The effect of these limits on these images; the budget is the share that they flag.

    Raises
    ------
    ConflictError
        There are too few images.
    """
    _check_number(images)
    own = grouped(images)
    groups = {(one.room, one.view): own.get((one.room, one.view)) or _covered(images, one) for one in limits}
    share = _flagged(images, limits) / len(images)
    return _proposal(images, groups, limits, round(share, 4), 0.0)


def difference(
    before: Sequence[RoomLimit], after: Sequence[RoomLimit], line_of: Callable[[RoomLimit], str]
) -> tuple[str, ...]:
    """The change of limits as lines of a diff: ``-`` in force now, ``+`` afterwards; empty if nothing changes."""
    old, new = ([line_of(one) for one in of] for of in (before, after))
    return tuple(
        line for line in unified_diff(sorted(old), sorted(new), n=0, lineterm="") if line[:2] not in ("--", "++", "@@")
    )


def _check_number(images: Sequence[BudgetImage]) -> None:
    if len(images) < FEWEST:
        raise ConflictError(
            "Only {len} images of the model in force have been judged; a proposal needs {fewest}. Wait for more.",
            len=len(images),
            fewest=FEWEST,
        )


def _covered(images: Sequence[BudgetImage], limit: RoomLimit) -> list[BudgetImage]:
    return [image for image in images if limit.room in ("", image.room) and limit.view in ("", image.view)]


def _proposal(
    images: Sequence[BudgetImage],
    groups: Mapping[Group, Sequence[BudgetImage]],
    limits: Sequence[RoomLimit],
    budget: float,
    tail: float,
) -> LimitProposal:
    return LimitProposal(
        budget=budget,
        images=len(images),
        always=sum(image.always for image in images),
        before=sum(image.before for image in images),
        flagged=_flagged(images, limits),
        tail=round(tail, 4),
        groups={", ".join(part or "all others" for part in group): len(members) for group, members in groups.items()},
        limits=tuple(_described(limit, groups[limit.room, limit.view]) for limit in limits),
        days=len({image.day for image in images if image.day is not None}),
    )


def grouped(images: Sequence[BudgetImage]) -> dict[Group, list[BudgetImage]]:
    """Rooms and views with enough images; the rest by view; and a last group of all remaining images.

    The last group always exists, for later rooms; if no images remain for it, it holds all images.
    """
    counts = Counter((image.room, image.view) for image in images)
    groups: dict[Group, list[BudgetImage]] = {}
    rest: list[BudgetImage] = []
    for image in images:
        own = (image.room, image.view)
        (groups.setdefault(own, []) if counts[own] >= FEWEST and all(own) else rest).append(image)
    views = Counter(image.view for image in rest)
    last: list[BudgetImage] = []
    for image in rest:
        pooled = views[image.view] >= FEWEST and bool(image.view)
        (groups.setdefault(("", image.view), []) if pooled else last).append(image)
    groups["", ""] = last if len(last) >= FEWEST else list(images)
    return groups


def _limits(
    groups: Mapping[Group, Sequence[BudgetImage]], names: Sequence[FindingName], tail: float
) -> list[RoomLimit]:
    return [
        RoomLimit(name, room, view, _limit([image.strengths.get(name, 0.0) for image in members], tail))
        for (room, view), members in groups.items()
        for name in names
    ]


def _limit(strengths: Sequence[float], tail: float) -> float:
    """The strength that at most a share ``tail`` of the images reaches, midway between the two images around it."""
    ordered = sorted(strengths, reverse=True)
    allowed = int(tail * len(ordered))
    first_below = ordered[allowed] if allowed < len(ordered) else 0.0
    last_above = ordered[allowed - 1] if allowed else 1.0
    limit = (first_below + last_above) / 2.0 if last_above > first_below else first_below + 1e-4
    return round(max(LEAST_STRENGTH, min(1.0, limit)), 4)


def _flagged(images: Sequence[BudgetImage], limits: Sequence[RoomLimit]) -> int:
    by_place = {(one.finding, one.room, one.view): one.least_strength for one in limits}
    return sum(image.always or _is_unusual(image, by_place) for image in images)


def _is_unusual(image: BudgetImage, by_place: Mapping[tuple[FindingName, str, str], float]) -> bool:
    for name, strength in image.strengths.items():
        places = ((image.room, image.view), ("", image.view), ("", ""))
        limit = next((by_place[name, *place] for place in places if (name, *place) in by_place), None)
        if limit is not None and strength >= limit:
            return True
    return False


def _described(limit: RoomLimit, members: Sequence[BudgetImage]) -> ProposedLimit:
    reached = [
        (image.strengths.get(limit.finding, 0.0), image) for image in members if limit.finding in image.strengths
    ]
    nearest = sorted(reached, key=lambda one: abs(one[0] - limit.least_strength))[:NEAREST]
    return ProposedLimit(
        limit, len(members), len(reached), sum(strength >= limit.least_strength for strength, _ in reached),
        tuple(
            NearImage(image.digest, image.sop_instance_uid, round(strength, 4), strength >= limit.least_strength)
            for strength, image in nearest
        ),
    )  # fmt: skip
