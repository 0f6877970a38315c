"""The ACR CT phantom (Gammex 464): its four modules of 40 mm, each known by its own look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .arrays import Values
from .catphan import (
    AIR_BELOW_HU,
    AIR_HU,
    ANGLES,
    MOST_OFF_DEG,
    MOST_SAME_HU,
    CatphanPose,
    clusters,
    middle_of,
    turn,
    value_at,
)
from .catphan_modules import bars_hu, is_even
from .disc import Disc, find_disc

RADIUS_MM = (94.0, 107.0)
INSERTS_MM = 63.0
"""Distance of the inserts of module 1 from the centre."""
RING_MM = np.arange(-6.0, 6.5, 2.0)
LEAST_BONE_HU = 150.0
"""Above the middle of the ring."""
WIDTH_DEG = (10.0, 32.0)
"""Of an insert of 25 mm on the ring."""
AIR_DEG, BONE_DEG = 45.0, -45.0
RISING_DEG = (-135.0, 0.0, 135.0, -45.0)
"""Polyethylene, the phantom itself, acrylic and bone, each brighter than the one before by any table of units."""
LOW_CONTRAST_MM, UNIFORM_MM, BARS_MM = 40.0, 80.0, 120.0
"""Distances of modules 2, 3 and 4 from module 1, which are 40 mm long."""
HALF_MM = 19.0
"""What slices with the inserts span on each side of the middle."""
NEAR_MM = 12.0
BARS_RADIUS_MM, PLAIN_RADIUS_MM = 70.0, 45.0


@dataclass(frozen=True, slots=True)
class AcrCt:
    """An ACR CT phantom in a stack."""

    place: int
    """Of the slice nearest to the middle of module 1."""
    middle_mm: float
    """Where the middle is along the stack."""
    disc: Disc
    pose: CatphanPose
    direction: int
    """1 if the other modules come after module 1, -1 if before; 0 if nothing tells it."""


def find_acr_ct(
    images: Sequence[Values], places_mm: Sequence[float] | None, spacing: tuple[float, float]
) -> AcrCt | None:
    """The phantom in a stack in spatial order, in either direction; None if no slice shows module 1."""
    if places_mm is None:
        return None
    poses: dict[int, tuple[Disc, CatphanPose]] = {}
    for place, image in enumerate(images):
        if not (image > AIR_BELOW_HU).any():
            continue
        disc = find_disc(image, spacing, floor=AIR_HU, divided=False)
        pose = None if disc is None or not RADIUS_MM[0] <= disc.radius_mm <= RADIUS_MM[1] else find_pose(image, disc)
        if disc is not None and pose is not None:
            poses[place] = disc, pose
    if not poses:
        return None
    middle_mm = middle_of(places_mm, min(poses), max(poses), HALF_MM)
    place = min(poses, key=lambda one: abs(places_mm[one] - middle_mm))
    disc, pose = poses[place]
    others = [(image, at - middle_mm) for image, at in zip(images, places_mm, strict=True)]
    return AcrCt(place, middle_mm, disc, pose, _direction([one for one in others if abs(one[1]) > NEAR_MM], disc))


def find_pose(image: Values, disc: Disc) -> CatphanPose | None:
    """By the inserts of air and bone, 90 degrees from each other, and the order of the others."""
    ring = disc.polar(image, INSERTS_MM + RING_MM, ANGLES).mean(axis=0)
    level, top = float(np.median(ring)), float(ring.max())
    if top < level + LEAST_BONE_HU:
        return None
    half = (level + top) / 2.0
    airs = clusters(ring < AIR_BELOW_HU, AIR_BELOW_HU - ring, WIDTH_DEG)
    bones = clusters(ring > half, ring, WIDTH_DEG)
    for air in airs:
        for bone in bones:
            beside = turn(bone - air)
            if abs(abs(beside) - 90.0) > MOST_OFF_DEG:
                continue
            mirrored = beside > 0.0
            # Between the two, and as far from the insert of air as in the drawing.
            middle = air + beside / 2.0
            pose = CatphanPose(float(np.radians(middle + (90.0 if mirrored else -90.0))), mirrored)
            if _has_order(image, disc, pose):
                return pose
    return None


def _has_order(image: Values, disc: Disc, pose: CatphanPose) -> bool:
    values = [float(value_at(image, disc, pose.angle(one), INSERTS_MM, 8.0).mean()) for one in RISING_DEG]
    return all(later > sooner + MOST_SAME_HU for sooner, later in pairwise(values))


def shows_bars(image: Values, disc: Disc) -> bool:
    """Whether it looks like module 4: patterns of bars along a ring, and no insert of air."""
    has_bars = bars_hu(image, disc, BARS_RADIUS_MM, PLAIN_RADIUS_MM) > 0.0
    ring = disc.polar(image, BARS_RADIUS_MM + RING_MM, ANGLES).mean(axis=0)
    return has_bars and float(ring.min()) > AIR_BELOW_HU


def _direction(others: Sequence[tuple[Values, float]], disc: Disc) -> int:
    """The side of the bars; without them the one side that has even slices where modules 2 and 3 are."""
    bars = [at for image, at in others if abs(abs(at) - BARS_MM) <= NEAR_MM and shows_bars(image, disc)]
    if bars:
        return 1 if float(np.median(bars)) > 0.0 else -1
    even = {
        side: any(
            is_even(image, disc)
            for image, at in others
            if min(abs(side * at - LOW_CONTRAST_MM), abs(side * at - UNIFORM_MM)) <= NEAR_MM / 4.0
        )
        for side in (1, -1)
    }
    return 0 if even[1] == even[-1] else 1 if even[1] else -1
