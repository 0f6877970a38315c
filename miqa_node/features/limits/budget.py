"""Proposes limits of soft findings for an alarm budget, from judged, unlabelled images.

Hard findings, measurements, contradictions and anomalies flag images regardless of the budget. The rest of the budget
goes to the soft findings in equal tails: of each package, body part, room and view, each finding may flag the same
share of images, the strongest ones. Bisection finds the largest such share at which all rules together stay within the
budget. Experimental images, of which no finding flags anything, have no part in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import unified_diff
from functools import cache

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality, why_experimental
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import JudgedKind, Place, kind_of
from miqa_node.core.domain.site_limit import (
    ENOUGH_IMAGES,
    LimitProposal,
    LimitSet,
    NearImage,
    ProposedLimit,
    RoomLimit,
    SiteLimits,
)
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.errors import ConflictError
from miqa_node.features.limits.budget_image import BudgetImage
from miqa_node.features.limits.refusal import other_rules, refusal_of
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.database import Transaction

FEWEST = ENOUGH_IMAGES
"""Minimum number of images for separate limits of a room and view; smaller groups are pooled."""
MOST_IMAGES = 5000
"""Maximum number of images of each package for a proposal, the newest ones."""
MOST_LOOKED_AT = 400
"""Of each package for the question of the page whether there are enough, if most of the newest do not count."""
VERSION = re.compile(r"-\d+\.\d+.*$")
"""At the end of a package's name; limits hold for all versions."""
LEAST_STRENGTH = 0.25
"""Lowest limit that is ever proposed, however rare the finding is in a room."""
NEAREST = 6
BISECTIONS = 30


def propose_limits(transaction: Transaction, policy: Policy, budget: float, now: datetime) -> LimitSet:
    """Make and store a proposal from the results of the model in force; nothing changes until a person confirms it.

    Raises
    ------
    ConflictError
        The model in force has judged too few images.
    """
    return site_limits.propose(transaction, proposed(newest_images(transaction, policy), policy, budget), now)


def proposed(images: Sequence[BudgetImage], policy: Policy, budget: float) -> LimitProposal:
    """The proposal for all soft findings of the policy that these images were judged for."""
    soft = policy.soft
    names = {name for image in images for name in image.judged}
    return propose(images, sorted(soft & names), budget)


def newest_images(transaction: Transaction, policy: Policy, *, most: int = MOST_IMAGES) -> list[BudgetImage]:
    """The newest images that the models in force judged and that soft findings may flag."""
    judged = site_limits.newest_assessments(transaction, limit=most)
    return [image for one in judged if (image := budget_image(one, policy)) is not None]


def missing_images(transaction: Transaction, policy: Policy) -> int:
    """How many images are missing for a proposal; 0 if it can be made."""
    for most in (FEWEST, MOST_LOOKED_AT):  # the newest ones nearly always suffice
        missing = FEWEST - _most_of_one_package(newest_images(transaction, policy, most=most))
        if missing <= 0:
            return 0
    return missing


def budget_image(assessment: Assessment, policy: Policy) -> BudgetImage | None:
    """Data of an assessment for the budget; None if no soft finding may flag it, or the image shows no patient."""
    assessment = replace(assessment, header=assessment.known_header)
    header = assessment.header
    soft = {FindingName(rule.what) for rule in policy.covering(header) if rule.soft}
    if not soft or header.quality_control or why_experimental(assessment, policy):
        return None
    by_others = decide_quality(assessment, policy.silencing(soft))
    plain = decide_quality(assessment, replace(policy, site_limits=SiteLimits()))
    strengths = {f.name: f.strength for f in assessment.findings if f.name in soft and f.present}
    kind = kind_of(assessment)
    return BudgetImage(
        assessment.digest, header.sop_instance_uid, kind.room, kind.view,
        frozenset(f.name for f in assessment.findings if f.name in soft), strengths,
        by_others.verdict.flagged, plain.verdict.flagged, assessment.assessed_at.date(),
        kind.package, kind.body_part, kind.is_left,
        frozenset(name for name in strengths if any(reason.name == name for reason in plain.reasons)),
        frozenset(reason.name for reason in by_others.reasons if reason.verdict.flagged),
        kind.detector,
    )  # fmt: skip


def propose(images: Sequence[BudgetImage], findings: Iterable[FindingName], budget: float) -> LimitProposal:
    """Limits with which at most a share ``budget`` of these images is flagged.

    Raises
    ------
    ConflictError
        There are too few images, or other rules alone flag more than the budget.
    """
    check_number(images)
    if (refusal := refusal_of(images, budget)) is not None:
        refusal.refuse()
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
    check_number(images)
    own = grouped(images)
    groups = {one.where: own.get(one.where) or _covered(images, one) for one in limits}
    share = _flagged(images, limits) / len(images)
    return _proposal(images, groups, limits, round(share, 4), 0.0)


def limit_for(
    finding: FindingName, room: str, view: str, least_strength: float, package: str = "", body_part: str = ""
) -> RoomLimit:
    """A limit that a person writes: the part in any words, the package also with its version.

    >>> limit_for(FindingName("noise"), "", "", 0.6, "any-radiograph-0.3.0", "knee").place
    'KNEE, all other rooms'
    """
    part = STANDARD.body_parts.canonical(body_part) if body_part else ""
    return RoomLimit(finding, room, view, least_strength, VERSION.sub("", package), part)


def difference(
    before: Sequence[RoomLimit], after: Sequence[RoomLimit], line_of: Callable[[RoomLimit], str]
) -> tuple[str, ...]:
    """The change of limits as lines of a diff: ``-`` in force now, ``+`` afterwards; empty if nothing changes."""
    old, new = ([line_of(one) for one in of] for of in (before, after))
    return tuple(
        line for line in unified_diff(sorted(old), sorted(new), n=0, lineterm="") if line[:2] not in ("--", "++", "@@")
    )


def check_number(images: Sequence[BudgetImage]) -> None:
    """ConflictError if no package judged enough of these images for limits."""
    most = _most_of_one_package(images)
    if most < FEWEST:
        raise ConflictError(
            Phrase.of_number(
                "Only {count} image that the models in force judged counts for limits; a proposal needs {fewest}. "
                "Images whose findings are experimental do not count.",
                "Only {count} images that the models in force judged count for limits; a proposal needs {fewest}. "
                "Images whose findings are experimental do not count.",
                most,
                fewest=FEWEST,
            )
        )


def _most_of_one_package(images: Sequence[BudgetImage]) -> int:
    return max(Counter(image.package for image in images).values(), default=0)


def _covered(images: Sequence[BudgetImage], limit: RoomLimit) -> list[BudgetImage]:
    return [image for image in images if limit.covers(image.kind)]


def _proposal(
    images: Sequence[BudgetImage],
    groups: Mapping[Place, Sequence[BudgetImage]],
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
        groups={
            ", ".join(part or "all others" for part in group.names): len(members) for group, members in groups.items()
        },
        limits=tuple(_described(limit, groups[limit.where]) for limit in limits),
        days=len({image.day for image in images if image.day is not None}),
        parts=Counter(image.body_part for image in images),
        others=other_rules(images),
    )


def grouped(images: Sequence[BudgetImage]) -> dict[Place, list[BudgetImage]]:
    """The groups of each package with enough images; packages with too few keep the policy's own limits."""
    by_package: dict[str, list[BudgetImage]] = {}
    for image in images:
        by_package.setdefault(image.package, []).append(image)
    groups: dict[Place, list[BudgetImage]] = {}
    for package, members in sorted(by_package.items()):
        if len(members) >= FEWEST:
            groups |= _groups_of(package, members)
    return groups


def _groups_of(package: str, images: list[BudgetImage]) -> dict[Place, list[BudgetImage]]:
    """Body part, room and view with enough images; the rest by part and view, by part, and a last group of all others.

    The last group always exists, for later rooms; if too few images remain for it, it holds all images.
    """
    groups: dict[Place, list[BudgetImage]] = {}
    rest = images
    for place_of in (_detector_of, _room_of, _view_of, _part_of):
        rest = _pooled(groups, rest, place_of)
    groups[Place(package)] = rest if len(rest) >= FEWEST else list(images)
    return groups


def _detector_of(image: BudgetImage) -> Place | None:
    return image.kind.place if image.room and image.detector and image.view else None


def _room_of(image: BudgetImage) -> Place | None:
    return replace(image.kind.place, detector="") if image.room and image.view else None


def _view_of(image: BudgetImage) -> Place | None:
    return Place(image.package, image.body_part, view=image.view) if image.view else None


def _part_of(image: BudgetImage) -> Place | None:
    return Place(image.package, image.body_part) if image.body_part else None


def _pooled(
    groups: dict[Place, list[BudgetImage]],
    images: Sequence[BudgetImage],
    place_of: Callable[[BudgetImage], Place | None],
) -> list[BudgetImage]:
    """The images whose place has too few; the others are added to ``groups``."""
    counts = Counter(map(place_of, images))
    rest: list[BudgetImage] = []
    for image in images:
        place = place_of(image)
        (groups.setdefault(place, []) if place is not None and counts[place] >= FEWEST else rest).append(image)
    return rest


def _limits(
    groups: Mapping[Place, Sequence[BudgetImage]], names: Sequence[FindingName], tail: float
) -> list[RoomLimit]:
    return [
        RoomLimit.at(place, name, _limit([one.strengths.get(name, 0.0) for one in members], tail))
        for place, members in groups.items()
        for name in names
        if any(name in one.judged for one in members)
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
    return len(images) - len(quiet_images(images, limits))


def quiet_images(images: Sequence[BudgetImage], limits: Sequence[RoomLimit]) -> list[BudgetImage]:
    """The images that nothing flags with these limits."""
    table = SiteLimits(limits=tuple(limits))

    @cache  # few kinds, many images
    def limit_of(finding: FindingName, kind: JudgedKind) -> float | None:
        limit = table.limit_of(finding, kind)
        return None if limit is None else limit.least_strength

    return [image for image in images if not (image.always or _is_unusual(image, limit_of))]


def _is_unusual(image: BudgetImage, limit_of: Callable[[FindingName, JudgedKind], float | None]) -> bool:
    for name, strength in image.strengths.items():
        limit = limit_of(name, image.kind)
        if name in image.by_policy if limit is None else strength >= limit:
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
