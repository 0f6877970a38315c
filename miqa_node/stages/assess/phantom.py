"""Recognises CT and MR series of test objects (phantoms) by their pixels; words of the header are only a hint.

A phantom is machined: its outline is a circle or has long straight sides at right angles, and large parts of it
consist of one material. A patient's outline is neither, and tissue varies everywhere. docs/explanation/phantoms.md
has the limits and their distance from phantoms and patients.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.traits import SeriesTraits
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.series_view import Mask, SeriesView, Values

MOST_SLICES = 11
FEW_SLICES = 5
"""One slice of a patient may be round by chance: the limit is stricter below this number of slices."""
ROUND, ROUND_OF_FEW = 0.65, 0.80
STRAIGHT = 0.57
TEXTURE = 0.03
HINTED_ROUND, HINTED_STRAIGHT, HINTED_TEXTURE = 0.55, 0.45, 0.012
"""Limits for series whose header mentions a phantom; uniform texture then suffices in an MR series."""
HINTED_INSERTS = 0.06
"""Texture of a round object with inserts, if the header mentions one: echo-planar images show little else."""
BONE_HU = 250.0
SKULL_SHARE = 0.4
"""Share of the outline's area that bone encloses in a head. A bandage is as round as a phantom."""
AIR_HU = -1000.0
CT_OUTLINE_HU = -300.0
MR_OUTLINE_SHARE = 0.45
"""Signal at the outline of an MR slice, as a share of the median of the foreground."""
MIN_AREA_SHARE = 0.04
MAX_BORDER_SHARE = 0.05
"""An outline cut off by the field of view says nothing about the object."""
MIN_POINTS = 40
TOLERANCE_SHARE = 0.012
"""Tolerance for points on a circle, as a share of its diameter; at least one pixel."""
SECTORS = 72
LONG_SIDE_SHARE = 0.28
RIGHT_ANGLE_TOLERANCE_DEG = 4.0


class PhantomLikeness(NamedTuple):
    """``roundness``: share of the outline on one circle; ``straightness``: share of it in long sides at right angles.

    ``texture``: median over the object of the difference between local means over 2 % and over 10 % of its diameter,
    relative to the signal.
    """

    roundness: float
    straightness: float
    texture: float
    in_bone: bool = False
    """Whether bone encloses most of it, as a skull does."""


def recognise(series: SeriesView, traits: SeriesTraits, *, hinted: bool) -> str:
    """Why the series is classified as a phantom's; empty if it is not.

    ``hinted``: the header mentions a phantom, so less of the outline needs to fit.
    """
    if marked(series):
        return Phrase("The header marks every image as one of a phantom (Quality Control Image).")
    if not traits.may_show_phantom:
        return ""
    shapes = _slices(series, hounsfield=traits.hounsfield)
    if not shapes:
        return ""
    likeness = PhantomLikeness(
        float(np.median([one.roundness for one in shapes])),
        float(np.median([one.straightness for one in shapes])),
        float(np.quantile([one.texture for one in shapes], 0.25)),
        sum(one.in_bone for one in shapes) > len(shapes) / 2,
    )
    shape = _shape(likeness, len(shapes), hinted=hinted)
    if not shape and hinted and not traits.hounsfield and likeness.texture <= HINTED_TEXTURE:
        shape = Phrase("it is as even as no tissue is")
    if not shape:
        return ""
    if hinted:
        return Phrase("The pixels show a test object, not a patient: {shape}, and the header names one.", shape=shape)
    return Phrase("The pixels show a test object, not a patient: {shape}.", shape=shape)


def marked(series: SeriesView) -> bool:
    """Whether Quality Control Image (0028,0300) says of all slices that they show a phantom and no patient."""
    return bool(series.slices) and all(one.quality_control for one in series.slices)


def _shape(likeness: PhantomLikeness, slices: int, *, hinted: bool) -> str:
    if likeness.in_bone and not hinted:
        return ""
    is_even = likeness.texture <= TEXTURE
    if hinted and not is_even and likeness.texture <= HINTED_INSERTS and likeness.roundness >= HINTED_ROUND:
        return Phrase("{roundness} of its outline lies on one circle", roundness=f"{100 * likeness.roundness:.0f} %")
    if not is_even:
        return ""
    least_round = HINTED_ROUND if hinted else ROUND_OF_FEW if slices < FEW_SLICES else ROUND
    if likeness.roundness >= least_round:
        return Phrase(
            "{roundness} of its outline lies on one circle, and it is even inside",
            roundness=f"{100 * likeness.roundness:.0f} %",
        )
    if likeness.straightness >= (HINTED_STRAIGHT if hinted else STRAIGHT):
        return Phrase(
            "{straightness} of its outline are straight sides, and it is even inside",
            straightness=f"{100 * likeness.straightness:.0f} %",
        )
    return ""


def _slices(series: SeriesView, *, hounsfield: bool) -> list[PhantomLikeness]:
    if not series.slices:
        return []
    places = np.unique(np.linspace(0, len(series.slices) - 1, MOST_SLICES).astype(int)).tolist()
    likenesses = series.each(partial(likeness_at, hounsfield=hounsfield), places)
    return [one for one in likenesses if isinstance(one, PhantomLikeness)]


def likeness_at(place: int, series: SeriesView, *, hounsfield: bool) -> PhantomLikeness | None:
    """Likeness of one slice of the series; None also if it cannot be decoded."""
    one = series.slices[place]
    radiograph = series.read(one)
    if radiograph is None:
        return None
    values = one.values(radiograph.stored)
    if radiograph.valid is not None:
        values = np.where(radiograph.valid, values, np.float32(AIR_HU if hounsfield else 0.0))
    return likeness_of(values, hounsfield=hounsfield)


def likeness_of(values: Values, *, hounsfield: bool) -> PhantomLikeness | None:
    """Likeness of one slice of Hounsfield units or MR signal; None if it shows no whole object."""
    outline = _outline(values, hounsfield=hounsfield)
    if outline is None or len(outline) < MIN_POINTS:
        return None
    rows, columns = values.shape
    points = outline[:, 0, :].astype(np.float64)
    area = float(cv2.contourArea(outline))
    at_border = np.minimum(points, (columns - 1, rows - 1) - points).min(axis=1) < 2
    if area < MIN_AREA_SHARE * rows * columns or at_border.mean() > MAX_BORDER_SHARE:
        return None
    diameter = 2.0 * float(np.sqrt(area / np.pi))
    inside = np.zeros(values.shape, np.uint8)
    cv2.drawContours(inside, [outline], -1, 1, -1)
    signal = values - np.float32(AIR_HU) if hounsfield else np.maximum(values, 0.0)
    texture = _texture(signal, inside, diameter)
    if texture is None:
        return None
    in_bone = hounsfield and _encloses(values > BONE_HU, area)
    return PhantomLikeness(_roundness(points), _straightness(outline, diameter), texture, in_bone)


def _encloses(bone: Mask, area: float) -> bool:
    """Whether the largest hole in the bone takes a large share of the object's area."""
    closed = cv2.morphologyEx(bone.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max((cv2.contourArea(one) for one in contours), default=0.0) >= SKULL_SHARE * area


def _outline(values: Values, *, hounsfield: bool) -> NDArray[np.int32] | None:
    """The outer contour of the largest object, (points, 1, 2) as x and y."""
    if hounsfield:
        side = max(3, round(0.01 * max(values.shape)) | 1)  # a table is thinner, and the opening removes it
        dense = (cv2.medianBlur(values.astype(np.float32), 3) > CT_OUTLINE_HU).astype(np.uint8)
    else:
        side, bright = 3, _bright(values)
        if bright is None:
            return None
        dense = bright.astype(np.uint8)
    opened = cv2.morphologyEx(dense, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if count < 2:
        return None
    largest = (labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(max(contours, key=cv2.contourArea), np.int32)


def _bright(values: Values) -> Mask | None:
    signal = np.maximum(values, 0.0)
    top = float(np.percentile(signal, 99.5))
    if top <= 0.0:
        return None
    shown = cv2.medianBlur(np.clip(signal / top * 255.0, 0, 255).astype(np.uint8), 3)
    level, _ = cv2.threshold(shown.reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    foreground = shown[shown > level]
    return None if foreground.size < MIN_POINTS else shown > MR_OUTLINE_SHARE * float(np.median(foreground))


def _roundness(points: NDArray[np.float64]) -> float:
    """The share of points, and of directions, on the circle that fits most of them; (points, 2) as x and y.

    >>> angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    >>> round(_roundness(80 * np.stack([np.cos(angles), np.sin(angles)], axis=1)), 2)
    1.0
    """
    mask = np.ones(len(points), bool)
    for _ in range(12):  # least squares, each time without the most distant points
        chosen = points[mask]
        system = np.c_[2.0 * chosen, np.ones(len(chosen))]
        solved, *_rest = np.linalg.lstsq(system, (chosen**2).sum(axis=1), rcond=None)
        centre = solved[:2]
        radius = float(np.sqrt(max(solved[2] + centre @ centre, 1e-9)))
        off = np.abs(np.hypot(*(points - centre).T) - radius)
        closest = off <= max(float(np.quantile(off, 0.75)), 1.0) + 1e-9
        if np.array_equal(closest, mask):
            break
        mask = closest
    near = off <= max(1.0, TOLERANCE_SHARE * 2.0 * radius)
    angles = np.arctan2(*(points[near] - centre).T)
    sectors = len(np.unique(np.floor((angles + np.pi) / (2.0 * np.pi) * SECTORS).astype(int) % SECTORS))
    return float(min(near.mean(), sectors / SECTORS))


def _straightness(outline: NDArray[np.int32], diameter: float) -> float:
    """Share of the hull's length that consists of long straight sides at right angles, at most 1.

    >>> box = np.array([[x, 0] for x in range(100)] + [[99, y] for y in range(80)]
    ...                + [[x, 79] for x in range(99, -1, -1)] + [[0, y] for y in range(79, -1, -1)], np.int32)
    >>> _straightness(box[:, None, :], 100.0) > 0.9
    True
    """
    corners = cv2.approxPolyDP(outline, max(1.0, 0.008 * diameter), True)[:, 0, :].astype(np.float64)
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(*sides.T)
    long = lengths >= LONG_SIDE_SHARE * diameter
    if long.sum() < 3:
        return 0.0
    angles = np.degrees(np.arctan2(sides[long, 1], sides[long, 0])) % 90.0
    main = angles[lengths[long].argmax()]
    off = np.abs((angles - main + 45.0) % 90.0 - 45.0)
    agreeing = off <= RIGHT_ANGLE_TOLERANCE_DEG
    if agreeing.sum() < 3:
        return 0.0
    return min(1.0, float(lengths[long][agreeing].sum()) / float(cv2.arcLength(cv2.convexHull(outline), True)))


def _texture(signal: Values, inside: NDArray[np.uint8], diameter: float) -> float | None:
    fine = max(3, round(0.02 * diameter) | 1)
    coarse = max(fine + 4, round(0.10 * diameter) | 1)
    core = cv2.erode(inside, np.ones((coarse + 2, coarse + 2), np.uint8)) > 0
    if core.sum() < MIN_POINTS:
        return None
    detail, level = cv2.blur(signal, (fine, fine)), cv2.blur(signal, (coarse, coarse))
    return float(np.median(np.abs(detail - level)[core] / np.maximum(level[core], 1e-6)))
