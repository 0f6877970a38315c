"""Limits that a person sets: what they would flag of the newest images, before anybody confirms them.

They take the place of the policy's limits of soft findings. Hard findings, measurements, contradictions and anomalies
flag in any case. Experimental images, of which no finding flags anything, have no part in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import unified_diff
from functools import cache

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality, why_experimental
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import kind_of
from miqa_node.core.domain.site_limit import (
    ENOUGH_IMAGES,
    LimitProposal,
    NearImage,
    ProposedLimit,
    RoomLimit,
    SiteLimits,
)
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.errors import ConflictError
from miqa_node.runtime.site_records import site_limits
from miqa_node.runtime.store.database import Transaction

MOST_IMAGES = 5000
"""Maximum number of images of each package, the newest ones."""
VERSION = re.compile(r"-\d+\.\d+.*$")
"""At the end of a package's name; limits hold for all versions."""
NEAREST = 6


def newest_images(transaction: Transaction, policy: Policy) -> list[Assessment]:
    """The newest images of patients that the models in force judged and that soft findings may flag."""
    judged = site_limits.newest_assessments(transaction, limit=MOST_IMAGES)
    images = (replace(one, header=one.known_header) for one in judged)
    return [one for one in images if _counts(one, policy)]


def _counts(image: Assessment, policy: Policy) -> bool:
    is_test = image.header.quality_control
    return bool(_soft(image, policy)) and not is_test and not why_experimental(image, policy)


def _soft(image: Assessment, policy: Policy) -> frozenset[str]:
    return frozenset(rule.what for rule in policy.covering(image.header) if rule.soft)


def appraise(images: Sequence[Assessment], limits: Sequence[RoomLimit], policy: Policy) -> LimitProposal:
    """The effect of these limits on these images; the budget is the share that they flag.

    Raises
    ------
    ConflictError
        There are too few images.
    """
    check_number(images)
    own = SiteLimits(limits=tuple(limits))
    strict = policy.with_limits(own)
    silenced = cache(policy.silencing)  # few sets of findings, many images
    flagged = sum(_is_flagged(one, strict) for one in images)
    members = _by_limit(images, own)
    return LimitProposal(
        budget=round(flagged / len(images), 4),
        images=len(images),
        always=sum(_is_flagged(one, silenced(_soft(one, policy))) for one in images),
        before=sum(_is_flagged(one, policy) for one in images),
        flagged=flagged,
        limits=tuple(_described(limit, of) for limit, of in members.items()),
        days=len({one.assessed_at.date() for one in images}),
        parts=Counter(one.header.body_part_examined for one in images),
    )


def quiet_images(images: Sequence[Assessment], policy: Policy) -> list[Assessment]:
    """The images that nothing flags."""
    return [one for one in images if not _is_flagged(one, policy)]


def _is_flagged(image: Assessment, policy: Policy) -> bool:
    return decide_quality(image, policy).verdict.flagged


def check_number(images: Sequence[Assessment]) -> None:
    """ConflictError if no package judged enough of these images for limits."""
    most = max(Counter(kind_of(one).place.package for one in images).values(), default=0)
    if most < ENOUGH_IMAGES:
        raise ConflictError(
            Phrase.of_number(
                "Only {count} image that the models in force judged counts for limits; a proposal needs {fewest}. "
                "Images whose findings are experimental do not count.",
                "Only {count} images that the models in force judged count for limits; a proposal needs {fewest}. "
                "Images whose findings are experimental do not count.",
                most,
                fewest=ENOUGH_IMAGES,
            )
        )


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


def _by_limit(images: Sequence[Assessment], own: SiteLimits) -> dict[RoomLimit, list[Assessment]]:
    """By limit the images that it decides about: a more specific one has its own."""
    members: dict[RoomLimit, list[Assessment]] = {one: [] for one in own.limits}
    names = {one.finding for one in own.limits}
    for image in images:
        kind = kind_of(image)
        for name in names:
            if (limit := own.limit_of(name, kind)) is not None and image.finding(name) is not None:
                members[limit].append(image)
    return members


def _described(limit: RoomLimit, members: Sequence[Assessment]) -> ProposedLimit:
    pairs = ((image.finding(limit.finding), image) for image in members)
    present = [(one.strength, image) for one, image in pairs if one is not None and one.present]
    nearest = sorted(present, key=lambda one: abs(one[0] - limit.least_strength))[:NEAREST]
    return ProposedLimit(
        limit, len(members), len(present), sum(strength >= limit.least_strength for strength, _ in present),
        tuple(
            NearImage(
                image.digest, image.header.sop_instance_uid, round(strength, 4), strength >= limit.least_strength
            )
            for strength, image in nearest
        ),
    )  # fmt: skip
