"""A Catphan: where module CTP404 is in a stack of CT slices, and how the phantom lies, by the inserts of the module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .arrays import Array, Mask, Values
from .disc import Disc, find_disc

AIR_HU = -1000.0
RADIUS_MM = (92.0, 110.0)
INSERTS_MM = 58.7
"""Distance of the inserts from the centre."""
RING_MM = np.arange(-3.0, 3.5, 1.0)
STEP_DEG = 1.0
ANGLES = np.radians(np.arange(0.0, 360.0, STEP_DEG))
AIR_BELOW_HU = -600.0
LEAST_TEFLON_HU = 150.0
"""Above the middle of the ring, whatever the table of Hounsfield units: by direct density Teflon has 460, not 990."""
RISING_DEG = (-120.0, 180.0, 60.0, 0.0, -60.0)
"""PMP, LDPE, acrylic, Delrin and Teflon, each of them brighter than the one before by any table of Hounsfield units.

Degrees are from right towards down, with the insert of air up that has Teflon beside it."""
PMP_DEG, DELRIN_DEG, TEFLON_DEG = -120.0, 0.0, -60.0
HALF_WHOLE_MM, MOST_OFF_MM = 10.5, 4.0
"""Half of what such slices span, of a module of 25 mm, and how much of it may be missing without notice."""
WHOLE_SHARE = 0.93
"""Of the contrast of the inserts, what slices inside of the module have."""
BONE_DEG = -150.0
"""Where a Catphan 604 has bone, brighter than Delrin, and the others nothing."""
MOST_SAME_HU = 15.0
"""By so much an insert may be darker than the one before: noise."""
MOST_OFF_DEG = 6.0
WIDTH_DEG = (3.0, 20.0)


@dataclass(frozen=True, slots=True)
class CatphanPose:
    """How the inserts of a slice lie; angles in radians from right towards down."""

    up: float
    """Angle of the insert of air with Teflon beside it: -90 degrees when a Catphan 504 lies as it should."""
    mirrored: bool

    def angle(self, degrees: float) -> float:
        """Where on the slice an angle of the phantom is."""
        return float(self.angles(np.array(np.radians(degrees))))

    def angles(self, radians: Array) -> Array:
        """The same for several."""
        turn = radians + np.pi / 2.0
        return np.asarray(self.up - turn if self.mirrored else self.up + turn, np.float64)

    @property
    def roll_deg(self) -> float:
        """How far it is turned clockwise."""
        return float((np.degrees(self.up) + 90.0 + 180.0) % 360.0 - 180.0)


@dataclass(frozen=True, slots=True)
class Sensitometry:
    """Module CTP404: the place of the slice nearest to its middle, its disc, and how it lies."""

    place: int
    middle_mm: float
    """Where the middle is along the stack, which may begin or end within the module."""
    disc: Disc
    pose: CatphanPose
    has_bone: bool
    """A Catphan 604."""


def find_sensitometry(
    images: Sequence[Values], places_mm: Sequence[float], spacing: tuple[float, float]
) -> Sensitometry | None:
    """Module CTP404 of a Catphan in a stack in spatial order, in either direction; None if it is not there."""
    poses: dict[int, tuple[Disc, CatphanPose]] = {}
    strengths: dict[int, float] = {}
    for place, image in enumerate(images):
        if not _may_have_inserts(image):
            continue
        disc = find_disc(image, spacing, floor=AIR_HU, divided=False)
        if disc is not None and RADIUS_MM[0] <= disc.radius_mm <= RADIUS_MM[1]:
            pose = find_pose(image, disc)
            if pose is not None:
                poses[place] = disc, pose
                strengths[place] = _insert_hu(image, disc, pose, TEFLON_DEG) - _insert_hu(image, disc, pose, PMP_DEG)
    if not poses:
        return None
    # Slices at the ends of the module show half of it.
    whole = [one for one, strength in strengths.items() if strength >= WHOLE_SHARE * max(strengths.values())]
    middle_mm = middle_of(places_mm, min(whole), max(whole), HALF_WHOLE_MM)
    place = min(whole, key=lambda one: abs(places_mm[one] - middle_mm))
    disc, pose = poses[place]
    bone, delrin = (_insert_hu(images[place], disc, pose, angle) for angle in (BONE_DEG, DELRIN_DEG))
    return Sensitometry(place, middle_mm, disc, pose, bone > delrin)


def middle_of(places_mm: Sequence[float], first: int, last: int, half_mm: float) -> float:
    """Between the ends of a module; from one of them, where the stack does not show the other."""
    begins, ends = first > 0, last < len(places_mm) - 1
    if begins == ends or places_mm[last] - places_mm[first] >= 2.0 * half_mm - MOST_OFF_MM:
        return (places_mm[first] + places_mm[last]) / 2.0
    return places_mm[first] + half_mm if begins else places_mm[last] - half_mm


def _may_have_inserts(image: Values) -> bool:
    """Something is far brighter than most of the object: quickly told, of any slice."""
    few = image[::2, ::2]
    inside = few[few > AIR_BELOW_HU]
    return bool(inside.size) and bool((inside > np.median(inside) + LEAST_TEFLON_HU).any())


def find_pose(image: Values, disc: Disc) -> CatphanPose | None:
    """By an insert of air with the brightest insert 30 degrees beside it, and by the order of the others.

    The opposite insert is of air too, or a vial of water.
    """
    ring = disc.polar(image, INSERTS_MM + RING_MM, ANGLES).mean(axis=0)
    level = float(np.median(ring))
    if ring.max() < level + LEAST_TEFLON_HU:
        return None
    half = (level + float(ring.max())) / 2.0
    air, bright = clusters(ring < AIR_BELOW_HU, AIR_BELOW_HU - ring), clusters(ring > half, ring)
    for up in air:
        for teflon in bright:
            beside = turn(teflon - up)
            if abs(abs(beside) - 30.0) > MOST_OFF_DEG:
                continue
            opposite = next((one for one in air if abs(turn(one - up - 180.0)) <= MOST_OFF_DEG), up + 180.0)
            middle = up + turn(opposite - up - 180.0) / 2.0
            pose = CatphanPose(float(np.radians(middle)), beside < 0.0)
            if _has_order(image, disc, pose):
                return pose
    return None


def _has_order(image: Values, disc: Disc, pose: CatphanPose) -> bool:
    values = [_insert_hu(image, disc, pose, angle) for angle in RISING_DEG]
    return all(later > sooner - MOST_SAME_HU for sooner, later in pairwise(values)) and values[-1] > values[0]


def _insert_hu(image: Values, disc: Disc, pose: CatphanPose, degrees: float) -> float:
    return float(value_at(image, disc, pose.angle(degrees), INSERTS_MM, 3.0).mean())


def turn(degrees: float) -> float:
    """Between -180 and 180."""
    return (degrees + 180.0) % 360.0 - 180.0


def clusters(mask: Mask, weights: Array, width_deg: tuple[float, float] = WIDTH_DEG) -> list[float]:
    """Centres in degrees of the runs of a ring that are as wide as an insert."""
    if mask.all() or not mask.any():
        return []
    start = int(np.flatnonzero(~mask)[0])
    order = (np.arange(len(mask)) + start) % len(mask)
    inside = np.flatnonzero(mask[order])
    runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
    centres = []
    for run in runs:
        if width_deg[0] <= len(run) * STEP_DEG <= width_deg[1]:
            share = np.maximum(weights[order[run]], 1e-6)
            centres.append(float(((run + start) * share).sum() / share.sum()) * STEP_DEG)
    return centres


def value_at(image: Values, disc: Disc, angle: float, distance_mm: float, radius_mm: float) -> Array:
    """Pixels of a circle."""
    rows, columns = disc.points(np.array([angle]), np.array([distance_mm]))
    down = (np.arange(image.shape[0]) - rows[0])[:, None] * disc.spacing.rows
    right = (np.arange(image.shape[1]) - columns[0])[None, :] * disc.spacing.columns
    return np.asarray(image[np.hypot(down, right) <= radius_mm], np.float64)
