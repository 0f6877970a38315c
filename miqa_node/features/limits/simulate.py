"""The second side of limits, on demand: how many simulated defects on a place's own images they find.

Originals that are silent get each defect at a severity in turn, and are judged by the packages in force. They do not
leave the process, and nothing of them is stored but the numbers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import kind_of
from miqa_node.core.domain.rule import Subject
from miqa_node.core.domain.site_limit import LimitProposal, SiteLimits
from miqa_node.errors import MiqaError
from miqa_node.features.limits.defect_image import LEVELS, SEED, with_defect
from miqa_node.features.limits.defects import KEPT
from miqa_node.features.limits.own_limits import quiet_images

IMAGES = 10
"""Own images of each package that get defects."""
MOST_MISSING = 50
"""Images of a package without a readable original after which no other one is looked for."""
MOST_S = 60.0
"""After this time no further image is begun; the figures say how many were tried."""

Read = Callable[[InstanceDigest], tuple[Header, Radiograph] | None]
"""Header and pixels of a stored image; None if it is gone or cannot be read."""
Judge = Callable[[Header, Radiograph, InstanceDigest], Assessment]
Original = tuple[Assessment, Header, Radiograph]


@dataclass(frozen=True, slots=True)
class DefectImage:
    """An image with a simulated defect, as it is judged."""

    original: Assessment
    defect: FindingName
    assessment: Assessment

    def is_found(self, policy: Policy) -> bool:
        """Whether the defect is flagged by name, and the image is silent of it without."""
        with_it, without = (decide_quality(one, policy) for one in (self.assessment, self.original))
        return with_it.flags(self.defect) and not without.flags(self.defect)


def defect_images(originals: Iterable[Original], judge: Judge, defects: Iterable[str]) -> Iterator[DefectImage]:
    """Yield these defects on these images; none that one cannot have, or that a package cannot judge."""
    names = sorted(FindingName(one) for one in defects if one in KEPT)
    for number, (image, header, radiograph) in enumerate(originals):
        for place, name in enumerate(names):
            level = LEVELS[(number + place) % len(LEVELS)]
            changed = with_defect(radiograph, name, level, (SEED, number, place))
            if changed is None:
                continue
            try:
                yield DefectImage(image, name, judge(header, changed, image.digest))
            except MiqaError:  # of one picture that a package cannot judge
                continue


def kinds_of(policy: Policy) -> dict[str, str]:
    """By what is learned the simulated defect that it tells of: of the finding, or of what a measurement supports."""
    rules = [one for one in policy.rules if one.is_learned or one.soft]
    about = {one.what: one.what if one.subject is Subject.FINDING else one.supports for one in rules}
    return {name: defect for name, defect in about.items() if defect in KEPT}


def with_second_side(
    proposal: LimitProposal, images: Sequence[Assessment], policy: Policy, today: SiteLimits, read: Read, judge: Judge
) -> LimitProposal:
    """The proposal with what its limits find of simulated defects on these images, and what those in force find.

    ``policy`` is the site's, without limits.
    """
    limits = SiteLimits(limits=tuple(one.limit for one in proposal.limits))
    strict, now = policy.with_limits(limits), policy.with_limits(today)
    kinds = {
        name: defect for name, defect in kinds_of(policy).items() if any(name == one.finding for one in limits.limits)
    }
    covered = [one for one in images if any(limits.limit_of(name, kind_of(one)) is not None for name in kinds)]
    made, hits, hits_now = Counter[object](), Counter[object](), Counter[object]()
    for one in defect_images(originals(quiet_images(covered, strict), read), judge, set(kinds.values())):
        kind = kind_of(replace(one.assessment, header=one.assessment.known_header))
        for name in (name for name, defect in kinds.items() if defect == one.defect):
            limit = limits.limit_of(name, kind)
            made[limit] += 1
            hits[limit] += one.is_found(strict)
            hits_now[limit] += one.is_found(now)
    return replace(proposal, limits=tuple(
        replace(one, simulated=made[one.limit], found=hits[one.limit], found_today=hits_now[one.limit])
        if one.limit.finding in kinds else one
        for one in proposal.limits
    ))  # fmt: skip


def originals(images: Sequence[Assessment], read: Read) -> Iterator[Original]:
    """At most IMAGES of each package whose originals are there, in an order that stays the same."""
    until, number, missing = time.monotonic() + MOST_S, Counter[str](), Counter[str]()
    for image in sorted(images, key=lambda one: one.digest):  # a checksum has no order of its own
        package = kind_of(image).place.package
        if time.monotonic() > until:
            return
        if number[package] == IMAGES or missing[package] == MOST_MISSING:
            continue
        header, radiograph = read(image.digest) or (None, None)
        if header is None or radiograph is None or radiograph.frames > 1:
            missing[package] += 1
            continue
        number[package] += 1
        yield image, header, radiograph
