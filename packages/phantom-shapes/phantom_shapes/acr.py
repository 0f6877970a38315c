"""The ACR MR phantoms: which of the eleven slices each slice of a series is, and which way is up, by the pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np

from .arrays import Array, Mask, Values
from .disc import Disc, find_disc

SLICES = 11
GAP_MM = 10.0
"""Between the centres of two slices of the protocol."""
LARGE_MM, MEDIUM_MM = 190.0, 165.0
"""Diameters inside of the large and the medium phantom."""
UNIFORM, ADJACENT = 7, 6
"""The two slices without any structure."""
MOST_OFF = 0.2
"""Of a step, by which a slice of the protocol may lie elsewhere."""
DARK_SHARE = 0.72
"""A pixel with less of the value around it is part of a structure."""
STRUCTURE_MM = 26.0
"""Wider structures than bars, ramps and rings are not filled."""
BLOCK_SHARE = 0.2
"""A block of plastic in the middle gives less of the signal at the rim; a coil's own shading leaves more."""
RING_SHARE = (0.15, 0.5)
"""Of the disc's area that the ring around the discs of low contrast encloses."""
RADII = np.linspace(0.05, 0.97, 93)
"""Of the polar views of structures, in radii of the disc."""
DEGREES = np.radians(np.arange(360.0))
MOST_ANSWERS = 4
"""That are kept; one is some tens of kilobytes."""


_answers: dict[bytes, AcrSlices | None] = {}
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Look:
    """What a slice shows: shares of dark parts, 0 to 1."""

    flat: bool
    ring: bool
    bar: bool
    block: bool
    dark: Mask
    """Dark parts by radius (``RADII``) and angle (degrees)."""


@dataclass(frozen=True, slots=True)
class AcrSlices:
    """Where the slices of the protocol are in a stack; and how the phantom lies on them."""

    discs: tuple[Disc | None, ...]
    """Of each slice of the stack."""
    places: dict[int, int]
    """Slice of the protocol, 1 to 11 → place in the stack."""
    up: float
    """Angle of the notch, which is up when the phantom lies as it should: -90 degrees; in radians."""
    mirrored: bool
    """Whether left and right are exchanged."""

    @property
    def radius_mm(self) -> float:
        """The median of its slices."""
        return float(np.median([one.radius_mm for one in self.discs if one is not None]))


def find_acr_slices(
    images: Sequence[Values], places_mm: Sequence[float] | None, spacing: tuple[float, float]
) -> AcrSlices | None:
    """The slices of the protocol in a stack in spatial order, in either direction; None if it is not one.

    Slices 6 and 7 are uniform, those below have rings, those above a bar or a block: they are known by their look, and
    positions confirm it, so that one that is not there takes no other with it. Without positions the eleven of a whole
    scan are taken to follow each other. The kind of a series and its measures ask for the same stack, one after the
    other: the last answers are kept.
    """
    content = hashlib.blake2b(repr((places_mm, spacing, [one.shape for one in images])).encode())
    for image in images:
        content.update(np.ascontiguousarray(image).data)
    key = content.digest()
    with _lock:
        if key in _answers:
            return _answers[key]
    answer = _find(images, places_mm, spacing)
    with _lock:
        _answers[key] = answer
        while len(_answers) > MOST_ANSWERS:
            del _answers[next(iter(_answers))]
    return answer


def _find(
    images: Sequence[Values], places_mm: Sequence[float] | None, spacing: tuple[float, float]
) -> AcrSlices | None:
    discs = tuple(find_disc(one, spacing) for one in images)
    looks = [None if disc is None else look_at(image, disc) for image, disc in zip(images, discs, strict=True)]
    readings = _readings(places_mm, len(images))
    scores = [sum(_agreement(number, looks[place]) for number, place in one.items()) for one in readings]
    # Of readings that are equally good none is known to be right: those of a stack between the places of the protocol.
    best = [one for one, score in zip(readings, scores, strict=True) if score == max(scores)]
    if len(best) != 1 or not _fits(looks, best[0]):
        return None
    return AcrSlices(discs, dict(sorted(best[0].items())), *_pose(looks, best[0]))


def nominal_diameter_mm(acr: AcrSlices) -> float:
    """That of the phantom as it is made: the large or the medium one."""
    return min((LARGE_MM, MEDIUM_MM), key=lambda one: abs(one - 2.0 * acr.radius_mm))


def _readings(places_mm: Sequence[float] | None, count: int) -> list[dict[int, int]]:
    """All ways to number slices: number of the protocol → place in the stack.

    Without positions only a whole scan is known to have no gap.
    """
    if places_mm is None and count != SLICES:
        return []
    steps = [float(one) for one in range(count)] if places_mm is None else [one / GAP_MM for one in places_mm]
    offsets = {
        (direction, round(number - direction * one, 1)): number - direction * one
        for one in steps
        for number in range(1, SLICES + 1)
        for direction in (1, -1)
    }
    readings = []
    for (direction, _), offset in offsets.items():
        numbers = [offset + direction * one for one in steps]
        on_grid = [place for place, one in enumerate(numbers) if abs(one - round(one)) <= MOST_OFF]
        reading = {round(numbers[one]): one for one in on_grid if 1 <= round(numbers[one]) <= SLICES}
        if reading not in readings:
            readings.append(reading)
    return readings


def _agreement(number: int, look: Look | None) -> int:
    """1 if a slice shows what the phantom has there, -1 if it shows what is elsewhere in it."""
    if look is None:
        return 0
    if number == UNIFORM + 1 and look.flat:
        return 0  # discs of the lowest contrast
    shown = (look.bar, look.block, look.flat, look.ring)
    of = 0 if number < ADJACENT - 1 else 1 if number < ADJACENT else 2 if number <= UNIFORM else 3
    return 1 if shown[of] else -1 if any(shown) else 0


def _fits(looks: Sequence[Look | None], places: dict[int, int]) -> bool:
    """Whether slices show what the phantom has there; a few may be spoilt, and one that is not there says nothing."""
    by_number = {number: one for number, place in places.items() if (one := looks[place]) is not None}
    uniform = [one.flat for number, one in by_number.items() if number in (ADJACENT, UNIFORM)]
    rings = [one.ring for number, one in by_number.items() if number >= UNIFORM + 2]
    bars = [one.bar for number, one in by_number.items() if number < ADJACENT - 1]
    fifth = by_number.get(ADJACENT - 1)
    # In echo-planar images bars are bent, the block of slice 5 is not; an older phantom has a grid there.
    has_block = fifth is not None and fifth.block
    is_upper = not (fifth is not None and (fifth.flat or fifth.ring)) and (has_block or sum(bars) > len(bars) / 2 > 0)
    # Without either uniform slice nothing else may be left over: slices 12 mm apart meet some places by chance.
    is_between = all(uniform) if uniform else has_block and len(places) == len(looks)
    return is_upper and is_between and len(rings) >= 2 and sum(rings) > len(rings) / 2


def look_at(image: Values, disc: Disc) -> Look:
    """What a slice shows inside of its disc."""
    parts = dark_parts(image, disc)
    dark = disc.polar(parts.astype(np.float32), RADII * disc.radius_mm, DEGREES) > 0.5
    inner = (RADII >= 0.05) & (RADII <= 0.78)
    weights = RADII[inner] / RADII[inner].sum()
    share = float((dark[inner].mean(axis=1) * weights).sum())
    middle, edge = disc.within(image.shape, 0.3 * disc.radius_mm), disc.distances_mm(image.shape) / disc.radius_mm
    rim = image[(edge > 0.8) & (edge < 0.95)]
    block = float(np.median(image[middle])) < BLOCK_SHARE * float(np.percentile(rim, 75))
    along = dark[RADII <= 0.85].mean(axis=0)
    across = np.maximum.reduce([np.minimum(along, np.roll(along, 180 + turn)) for turn in (-2, -1, 0, 1, 2)])
    is_ring = not block and _has_ring(parts, disc)
    return Look(share < 0.006 and not block, is_ring, bool(across.max() >= 0.8) and not block, block, dark)


def dark_parts(image: Values, disc: Disc) -> Mask:
    """Pixels darker than what is around them; the outside of the disc is not dark."""
    inside = disc.within(image.shape, disc.radius_mm - 2.0 * max(disc.spacing))
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 0.7)
    filled = np.where(inside, smooth, np.float32(0.0))
    size = [max(3, round(STRUCTURE_MM / one) | 1) for one in disc.spacing]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size[1], size[0]))
    around = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, kernel)
    return np.asarray(inside & (smooth < DARK_SHARE * around))


def _has_ring(dark: Mask, disc: Disc) -> bool:
    """Whether a dark line encloses a round part of the disc."""
    closed = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    contours, tree = cv2.findContours(closed, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    whole = np.pi * disc.radius_mm**2 / (disc.spacing.rows * disc.spacing.columns)
    for contour, parent in zip(contours, [] if tree is None else tree[0, :, 3], strict=True):
        area, length = cv2.contourArea(contour), cv2.arcLength(contour, True)
        if parent >= 0 and RING_SHARE[0] <= area / whole <= RING_SHARE[1] and 4.0 * np.pi * area >= 0.75 * length**2:
            return True
    return False


def _pose(looks: Sequence[Look | None], places: dict[int, int]) -> tuple[float, bool]:
    """Angle of the notch, and whether the small ring of slices 1 to 4 is on its other side."""
    rim = (RADII >= 0.84) & (RADII <= 0.94)
    by_number = {number: one for number, place in places.items() if (one := looks[place]) is not None}
    notch = np.mean([one.dark[rim].mean(axis=0) for one in by_number.values()], axis=0)
    up = _centre_of(notch)
    side = (RADII >= 0.5) & (RADII <= 0.85)
    tops = sum(
        (one.dark[side].mean(axis=0) for number, one in by_number.items() if number <= 4), np.zeros(len(DEGREES))
    )
    degree = round(np.degrees(up))
    left = float(np.take(tops, np.arange(degree - 65, degree - 25), mode="wrap").mean())
    right = float(np.take(tops, np.arange(degree + 25, degree + 65), mode="wrap").mean())
    return up, right > left


def _centre_of(shares: Array) -> float:
    """Angle of the middle of the darkest parts near the darkest one, in radians."""
    smooth = np.convolve(np.r_[shares[-5:], shares, shares[:5]], np.ones(11) / 11.0, mode="valid")
    top = int(smooth.argmax())
    around = np.arange(top - 8, top + 9)
    weights = np.take(shares, around, mode="wrap")
    return float(np.radians((around * weights).sum() / max(weights.sum(), 1e-9)))
