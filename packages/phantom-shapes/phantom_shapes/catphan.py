"""The Catphan 504: where its modules are in a stack of CT slices, and how it lies, by the inserts of module CTP404."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
AIR_BELOW_HU, TEFLON_ABOVE_HU = -600.0, 550.0
NOMINAL_HU = {"PMP": (-120.0, -200.0), "LDPE": (180.0, -100.0), "Acrylic": (60.0, 120.0), "Delrin": (0.0, 340.0)}
"""Angle in degrees from right towards down, when the phantom lies as it should, and the value of four inserts."""
BONE_DEG = -150.0
"""Where a Catphan 604 has bone of 725 HU, and a Catphan 504 nothing."""
MOST_OFF_HU = 120.0
LINE_PAIRS_MM, LINE_PAIRS_RADIUS_MM = 30.0, 47.0
"""Distance of module CTP528 from CTP404 along the axis, and of its line pairs from the centre."""


@dataclass(frozen=True, slots=True)
class CatphanPose:
    """How the inserts of a slice lie; angles in radians from right towards down."""

    up: float
    """Angle of the upper insert of air, -90 degrees when the phantom lies as it should."""
    mirrored: bool

    def angle(self, degrees: float) -> float:
        """Where on the slice an angle of the phantom is."""
        turn = np.radians(degrees + 90.0)
        return float(self.up - turn if self.mirrored else self.up + turn)

    @property
    def roll_deg(self) -> float:
        """How far it is turned clockwise."""
        return float((np.degrees(self.up) + 90.0 + 180.0) % 360.0 - 180.0)


@dataclass(frozen=True, slots=True)
class CatphanSlices:
    """``origin`` is the place of the middle of CTP404 in the stack; ``direction`` is 1 if CTP528 comes after it."""

    origin: int
    direction: int
    disc: Disc
    pose: CatphanPose


def find_catphan(
    images: Sequence[Values], places_mm: Sequence[float] | None, spacing: tuple[float, float]
) -> CatphanSlices | None:
    """The modules of a Catphan 504 in a stack in spatial order, in either direction; None if it is not one."""
    if places_mm is None:
        return None
    poses: dict[int, tuple[Disc, CatphanPose]] = {}
    for place, image in enumerate(images):
        if not _may_have_inserts(image):
            continue
        disc = find_disc(image, spacing, floor=AIR_HU, divided=False)
        if disc is not None and RADIUS_MM[0] <= disc.radius_mm <= RADIUS_MM[1]:
            pose = find_pose(image, disc)
            if pose is not None:
                poses[place] = disc, pose
    if not poses:
        return None
    middle_mm = float(np.mean([places_mm[place] for place in poses]))
    origin = min(poses, key=lambda place: abs(places_mm[place] - middle_mm))
    disc, pose = poses[origin]
    if not _is_504(images[origin], disc, pose):
        return None
    return CatphanSlices(origin, _direction(images, places_mm, origin, disc), disc, pose)


def _may_have_inserts(image: Values) -> bool:
    return bool((image > TEFLON_ABOVE_HU).any())


def find_pose(image: Values, disc: Disc) -> CatphanPose | None:
    """By the two opposite inserts of air and that of Teflon 30 degrees beside one of them."""
    ring = disc.polar(image, INSERTS_MM + RING_MM, ANGLES).mean(axis=0)
    air, teflon = _clusters(ring < AIR_BELOW_HU, AIR_BELOW_HU - ring), _clusters(ring > TEFLON_ABOVE_HU, ring)
    for first in air:
        for second in air:
            if abs(_turn(second - first) % 360.0 - 180.0) > 6.0:
                continue
            up = first + _turn(second - first - 180.0) / 2.0
            for bright in teflon:
                beside = _turn(bright - up)
                if abs(abs(beside) - 30.0) <= 5.0:
                    return CatphanPose(float(np.radians(up)), beside < 0.0)
    return None


def _turn(degrees: float) -> float:
    """Between -180 and 180."""
    return (degrees + 180.0) % 360.0 - 180.0


def _clusters(mask: Mask, weights: Array) -> list[float]:
    """Centres in degrees of the runs of a ring that are 3 to 20 degrees wide."""
    if mask.all() or not mask.any():
        return []
    start = int(np.flatnonzero(~mask)[0])
    order = (np.arange(len(mask)) + start) % len(mask)
    inside = np.flatnonzero(mask[order])
    runs = np.split(inside, np.flatnonzero(np.diff(inside) > 1) + 1)
    centres = []
    for run in runs:
        if 3.0 <= len(run) * STEP_DEG <= 20.0:
            share = np.maximum(weights[order[run]], 1e-6)
            centres.append(float(((run + start) * share).sum() / share.sum()) * STEP_DEG)
    return centres


def value_at(image: Values, disc: Disc, angle: float, distance_mm: float, radius_mm: float) -> Array:
    """Pixels of a circle."""
    rows, columns = disc.points(np.array([angle]), np.array([distance_mm]))
    down = (np.arange(image.shape[0]) - rows[0])[:, None] * disc.spacing.rows
    right = (np.arange(image.shape[1]) - columns[0])[None, :] * disc.spacing.columns
    return np.asarray(image[np.hypot(down, right) <= radius_mm], np.float64)


def _is_504(image: Values, disc: Disc, pose: CatphanPose) -> bool:
    bone = value_at(image, disc, pose.angle(BONE_DEG), INSERTS_MM, 3.0).mean()
    off = [
        abs(value_at(image, disc, pose.angle(angle), INSERTS_MM, 3.0).mean() - nominal) <= MOST_OFF_HU
        for angle, nominal in NOMINAL_HU.values()
    ]
    return bool(bone < TEFLON_ABOVE_HU - 150.0) and sum(off) >= 3


def _direction(images: Sequence[Values], places_mm: Sequence[float], origin: int, disc: Disc) -> int:
    """On which side the line pairs are: there the ring of their radius varies most."""

    def variation(side: int) -> float:
        target_mm = places_mm[origin] + side * LINE_PAIRS_MM
        near = [place for place, at in enumerate(places_mm) if abs(at - target_mm) <= 4.0]
        radii = LINE_PAIRS_RADIUS_MM + RING_MM
        return max((float(disc.polar(images[place], radii, ANGLES).mean(axis=0).std()) for place in near), default=0.0)

    return 1 if variation(1) >= variation(-1) else -1
