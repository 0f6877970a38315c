"""The second side of limits: how many simulated defects on the site's own images they find.

About ten stored originals of each package, which these limits flag for nothing, get each defect in turn and are judged
like any image: decoded in the sandboxed processes, by the packages in force. They do not leave the node, and nothing of
them is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import JudgedKind
from miqa_node.core.domain.site_limit import LimitProposal, RoomLimit, SiteLimits
from miqa_node.dicom.pixels.pitch import pitch_of
from miqa_node.errors import MiqaError
from miqa_node.features.limits.budget import appraise, quiet_images
from miqa_node.features.limits.budget_image import BudgetImage
from miqa_node.features.limits.defects import KEPT, Picture, Plate
from miqa_node.features.limits.refusal import refuse_blind

IMAGES = 10
"""Own images of each package that get defects."""
LEVELS = (0.5, 0.75, 1.0)
"""Severities of marked defects, in turn, as in the cards of packages."""
MOST_S = 30.0
"""After this time no further image is begun; the figures say how many were tried."""
THREADS = 2
"""The node works beside it."""
MOST_MISSING = 50
"""Images of a package without a readable original after which no other one is looked for."""
SEED = 45
COARSER = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18)
"""Factors of the pixel's size, tried until a defect is seen: in small copies only larger ones are."""
MOST_LEVELS = 4096
"""Steps of the curve between shown and stored values."""

T = TypeVar("T")
Read = Callable[[InstanceDigest], tuple[Header, Radiograph] | None]
"""Header and pixels of a stored image; None if it is gone or cannot be read."""
Judge = Callable[[Header, Radiograph, InstanceDigest], Assessment]


@dataclass(frozen=True, slots=True)
class Original:
    """One of the site's images, with its header and its pixels."""

    image: BudgetImage
    header: Header
    radiograph: Radiograph


@dataclass(frozen=True, slots=True)
class DefectTrial:
    """One image with one defect: the limit that decides about it, and whether the finding flags it, then and today."""

    limit: RoomLimit
    found: bool
    found_today: bool


def with_second_side(
    proposal: LimitProposal,
    images: Sequence[BudgetImage],
    policy: Policy,
    read: Read,
    judge: Judge,
    *,
    most_s: float = MOST_S,
) -> LimitProposal:
    """The proposal with what its limits find of simulated defects on these images, and what ``policy`` does today."""
    limits = [one.limit for one in proposal.limits]
    strict = policy.with_limits(SiteLimits(limits=tuple(limits)))
    until = time.monotonic() + most_s

    def of_image(numbered: tuple[int, Original]) -> list[DefectTrial]:
        return list(_trials(*numbered, (strict, policy), judge, until))

    chosen = enumerate(originals(quiet_images(images, limits), read))
    trials: list[DefectTrial] = []
    with ThreadPoolExecutor(THREADS, "second-side") as threads:
        while time.monotonic() < until and (few := list(islice(chosen, THREADS))):
            trials += [trial for of in threads.map(of_image, few) for trial in of]
    return replace(proposal, limits=tuple(
        replace(one, simulated=len(mine), found=sum(trial.found for trial in mine),
                found_today=sum(trial.found_today for trial in mine))
        if one.limit.finding in KEPT else one
        for one in proposal.limits
        for mine in [[trial for trial in trials if trial.limit == one.limit]]
    ))  # fmt: skip


def without_blind(
    proposal: LimitProposal, images: Sequence[BudgetImage], measured: Callable[[LimitProposal], LimitProposal]
) -> LimitProposal:
    """The proposal without limits of findings of which they find no simulated defect: there the policy's own count.

    ``measured`` gives a proposal its second side. ConflictError if the budget cannot be kept so.
    """
    blind_ones = {of for of, side in proposal.second_side.items() if side.is_blind}
    if not blind_ones:
        return proposal
    rest = [one.limit for one in proposal.limits if (one.limit.package, one.limit.finding) not in blind_ones]
    made = appraise(images, rest)
    if made.flagged > proposal.budget * made.images:
        refuse_blind(proposal, made.flagged)
    return measured(replace(made, budget=proposal.budget, tail=proposal.tail))


def originals(images: Sequence[BudgetImage], read: Read) -> Iterator[Original]:
    """At most IMAGES of each package that can be read, packages in turn, in an order that stays the same."""
    by_package: dict[str, list[BudgetImage]] = {}
    for image in sorted(images, key=lambda one: one.digest):  # a checksum has no order of its own
        by_package.setdefault(image.package, []).append(image)
    return in_turn([_of_package(of, read) for of in by_package.values()])


def _of_package(images: Sequence[BudgetImage], read: Read) -> Iterator[Original]:
    kinds: dict[JudgedKind, list[BudgetImage]] = {}
    for image in images:
        kinds.setdefault(image.kind, []).append(image)
    number = missing = 0
    for image in in_turn([iter(of) for of in kinds.values()]):
        if number == IMAGES or missing == MOST_MISSING:
            return
        header, radiograph = read(image.digest) or (None, None)
        if header is None or radiograph is None or radiograph.frames > 1:
            missing += 1
            continue
        number += 1
        yield Original(image, header, radiograph)


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


def _trials(
    number: int, original: Original, policies: tuple[Policy, Policy], judge: Judge, until: float
) -> Iterator[DefectTrial]:
    """``policies``: with the limits that are tried, and as it is today."""
    image, policy = original.image, policies[0]
    ways = [name for name in KEPT if policy.site_limits.limit_of(FindingName(name), image.kind) is not None]
    for place in range(len(ways)):
        name = FindingName(ways[(number + place) % len(ways)])  # if time runs out, each defect was tried as often
        limit = policy.site_limits.limit_of(name, image.kind)
        if time.monotonic() > until or limit is None:
            return
        changed = with_defect(original.radiograph, name, LEVELS[(number + place) % len(LEVELS)], (SEED, number, place))
        if changed is None:
            continue
        try:
            assessment = judge(original.header, changed, image.digest)
        except MiqaError:  # of one picture that a package cannot judge
            continue
        yield DefectTrial(limit, *(decide_quality(assessment, one).flags(name) for one in policies))


def with_defect(radiograph: Radiograph, name: FindingName, severity: float, seed: tuple[int, ...]) -> Radiograph | None:
    """The radiograph with a defect; None if nothing simulates it, or it cannot be seen there.

    What is too small for the pixels of a small copy is made as large as can be seen.
    Simulators work on shown values. Stored values follow by the curve that leads from these to those, so that what is
    measured in them has the defect, too.
    """
    shown: Picture = radiograph.display.astype(np.float32) / np.float32(65535)
    pitch = radiograph.spacing_mm[0] if radiograph.spacing_mm is not None else pitch_of(shown)
    other = np.ascontiguousarray(shown[:, ::-1])
    if name not in KEPT:
        return None
    plates = (Plate(shown, other, severity, np.random.default_rng(seed), pitch * factor) for factor in COARSER)
    changed = next((made for plate in plates if (made := KEPT[name](plate)) is not None), None)
    if changed is None:
        return None
    display = np.rint(np.clip(changed, 0, 1) * 65535).astype(np.uint16)
    return replace(radiograph, display=display, stored=_stored(radiograph, display), colour=None)


def _stored(radiograph: Radiograph, display: NDArray[np.uint16]) -> NDArray[Any]:
    """Stored values of the changed picture; those of pixels that did not change stay."""
    step = 65536 // MOST_LEVELS
    levels, sums = radiograph.display.ravel() // step, radiograph.stored.ravel().astype(np.float64)
    counts = np.bincount(levels, minlength=MOST_LEVELS)
    filled = counts > 0
    means = np.bincount(levels, weights=sums, minlength=MOST_LEVELS)[filled] / counts[filled]
    curve = np.interp(np.arange(MOST_LEVELS), np.flatnonzero(filled), means)
    moved = radiograph.stored + (curve[display // step] - curve[radiograph.display // step])
    low, high = radiograph.stored_range
    return np.clip(np.rint(moved), low, high).astype(radiograph.stored.dtype)
