"""The second side of a person's limits: how many simulated defects on the site's own images they find.

About ten stored originals of each package, which these limits flag for nothing, get each defect in turn, as the images
of a room do that learns, and are judged by the packages in force. They do not leave the node, and nothing of them is
stored.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TypeVar

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import JudgedKind, kind_of
from miqa_node.core.domain.site_limit import LimitProposal, RoomLimit, SiteLimits
from miqa_node.features.limits.defects import KEPT
from miqa_node.features.limits.learn import SeenImage, seen_image
from miqa_node.features.limits.own_limits import quiet_images
from miqa_node.features.limits.room_trials import DefectTry, Judge, OwnImage, judged_tries, trials_in_turn

IMAGES = 10
"""Own images of each package that get defects."""
MOST_S = 60.0
"""After this time no further image is begun; the figures say how many were tried."""
MOST_MISSING = 50
"""Images of a package without a readable original after which no other one is looked for."""

T = TypeVar("T")
Read = Callable[[InstanceDigest], tuple[Header, Radiograph] | None]
"""Header and pixels of a stored image; None if it is gone or cannot be read."""


def with_second_side(
    proposal: LimitProposal,
    images: Sequence[Assessment],
    policy: Policy,
    in_force: SiteLimits,
    read: Read,
    judge: Judge,
    *,
    most_s: float = MOST_S,
) -> LimitProposal:
    """The proposal with what its limits find of simulated defects on these images, and what those in force find.

    ``policy`` is the site's, without limits.
    """
    limits = SiteLimits(limits=tuple(one.limit for one in proposal.limits))
    strict, today = policy.with_limits(limits), policy.with_limits(in_force)
    tries_of, hits, hits_today = (Counter[RoomLimit]() for _ in range(3))

    def tried(original: OwnImage, tries: Sequence[DefectTry]) -> Iterator[SeenImage]:
        for one, assessment in judged_tries(original, tries, judge):
            name = FindingName(one.defect)
            kind = kind_of(replace(assessment, header=assessment.known_header))
            if (limit := limits.limit_of(name, kind)) is not None:
                tries_of[limit] += 1
                hits[limit] += decide_quality(assessment, strict).flags(name)
                hits_today[limit] += decide_quality(assessment, today).flags(name)
            yield seen_image(assessment, policy, one.defect)

    defects: dict[str, set[str]] = {one.finding: {one.finding} for one in limits.limits if one.finding in KEPT}
    covered = [one for one in images if any(limits.limit_of(name, kind_of(one)) is not None for name in defects)]
    until = time.monotonic() + most_s
    in_time = takewhile(lambda _: time.monotonic() < until, originals(quiet_images(covered, strict), read))
    for _ in trials_in_turn(in_time, tried, defects):
        pass
    return replace(proposal, limits=tuple(
        replace(one, simulated=tries_of[one.limit], found=hits[one.limit], found_today=hits_today[one.limit])
        if one.limit.finding in KEPT else one
        for one in proposal.limits
    ))  # fmt: skip


def originals(images: Sequence[Assessment], read: Read) -> Iterator[OwnImage]:
    """At most IMAGES of each package that can be read, packages in turn, in an order that stays the same."""
    by_package: dict[str, list[Assessment]] = {}
    for image in sorted(images, key=lambda one: one.digest):  # a checksum has no order of its own
        by_package.setdefault(kind_of(image).place.package, []).append(image)
    return in_turn([_of_package(of, read) for of in by_package.values()])


def _of_package(images: Sequence[Assessment], read: Read) -> Iterator[OwnImage]:
    kinds: dict[JudgedKind, list[Assessment]] = {}
    for image in images:
        kinds.setdefault(kind_of(image), []).append(image)
    number = missing = 0
    for image in in_turn([iter(of) for of in kinds.values()]):
        if number == IMAGES or missing == MOST_MISSING:
            return
        header, radiograph = read(image.digest) or (None, None)
        if header is None or radiograph is None or radiograph.frames > 1:
            missing += 1
            continue
        number += 1
        yield OwnImage(header, radiograph, image.digest)


def in_turn(sources: Sequence[Iterator[T]]) -> Iterator[T]:
    """One of each after the other, until all are at an end.

    >>> "".join(in_turn([iter("ace"), iter("b"), iter("d")]))
    'abdce'
    """
    rest = list(sources)
    while rest:
        for source in tuple(rest):
            try:
                yield next(source)
            except StopIteration:
                rest.remove(source)
