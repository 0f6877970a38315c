"""The beams of an ultrasound picture: its sector as columns from the transducer to the depth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import elements
from miqa_node.stages.measure.series_view import SeriesView, SliceView

us_measure = partial(FramesMeasure, section="Ultrasound", modalities=("US",))
BEAMS, DEPTHS = 128, 192
BLACK, COLOURED = 8.0, 24.0
"""Levels of 255: what is no echo, and how far the channels of a colour lie apart."""
LEAST_SIDE_PX = 48
WIDE = 0.4
STRAIGHT, ASKEW, POINT = 0.03, 0.25, 0.2
"""Shares of a width: how far a side may stray from its line, the point of the fan from the middle, and how wide the
beams of a phased array begin."""
SAMPLES = 3
Levels = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""Top, bottom, left and right, in pixels."""


class Sector(NamedTuple):
    """Where each beam and depth lies in the picture, in pixels: ``x`` and ``y`` have shape (DEPTHS, BEAMS)."""

    box: Box
    x: Levels
    y: Levels

    @property
    def is_from_a_point(self) -> bool:
        """Whether all beams begin near one point, as those of a phased array."""
        near, far = (float(np.hypot(np.ptp(self.x[row]), np.ptp(self.y[row]))) for row in (0, -1))
        return near < POINT * far


def sector(series: SeriesView) -> Sector | None:
    """The sector of the brightest of some frames; None if they show none."""
    places = np.unique(np.linspace(0, len(series.slices) - 1, SAMPLES).astype(int))
    read = [one for one in (series.read(series.slices[place]) for place in places) if one is not None]
    if not read:
        return None
    described = tissue_box(series.once(elements), read[0].shape)
    box = described or (0, read[0].shape[0], 0, read[0].shape[1])
    rows, columns = slice(box[0], box[1]), slice(box[2], box[3])
    part = np.max([grey_levels(one)[rows, columns] for one in read], axis=0)
    return find_sector(part, box, is_described=described is not None)


def beams(view: SliceView) -> Levels | None:
    """Levels of 255, (DEPTHS, BEAMS), the transducer in the first row; NaN where the picture is coloured."""
    fan = view.series.once(sector)
    return None if fan is None else sample(view.once(levels), fan)


def levels(view: SliceView) -> Levels:
    """Levels of the frame, 255 is white; NaN where it is coloured."""
    return grey_levels(view.radiograph, np.nan)


def grey_levels(radiograph: Radiograph, instead: float = 0.0) -> Levels:
    """Luminance, or stored values in the range of their bits: a window would hide the gain.

    ``instead`` stands where it is coloured.
    """
    low, high = radiograph.stored_range
    shown = (radiograph.stored.astype(np.float32) - low) * np.float32(255 / max(high - low, 1))
    if radiograph.colour is not None:
        shown = radiograph.display.astype(np.float32) / np.float32(257)
        colour = radiograph.colour
        spread = (colour.max(axis=2).astype(np.float32) - colour.min(axis=2)) / np.float32(257)
        shown[spread > COLOURED] = instead
    return shown


def tissue_regions(ds: Dataset) -> list[Dataset]:
    """The 2D regions that show tissue or flow (PS3.3 C.8.5.5)."""
    return [one for one in ds.get("SequenceOfUltrasoundRegions") or [] if first_number(one, "RegionSpatialFormat") == 1]


def region_box(region: Dataset, shape: tuple[int, int]) -> Box | None:
    """The part of the region inside the picture; None if it does not lie there."""
    keywords = ("RegionLocationMinY0", "RegionLocationMaxY1", "RegionLocationMinX0", "RegionLocationMaxX1")
    edges = [first_number(region, keyword) for keyword in keywords]
    if any(one is None for one in edges):
        return None
    top, bottom, left, right = (int(one or 0) for one in edges)
    if bottom > shape[0] + 1 or right > shape[1] + 1 or bottom - top < LEAST_SIDE_PX or right - left < LEAST_SIDE_PX:
        return None
    return max(top, 0), min(bottom + 1, shape[0]), max(left, 0), min(right + 1, shape[1])


def tissue_box(ds: Dataset, shape: tuple[int, int]) -> Box | None:
    """The largest region; None if the header describes none inside the picture."""
    boxes = [box for one in tissue_regions(ds) if (box := region_box(one, shape)) is not None]
    return max(boxes, key=lambda box: (box[1] - box[0]) * (box[3] - box[2]), default=None)


def find_sector(part: Levels, box: Box, *, is_described: bool = False) -> Sector | None:
    """The beams of the largest grey part of a picture, which begins at the corner of the box.

    A straight transducer has vertical beams, to the end of a box that the header describes. Those of an arched or a
    small one begin on a circle around the point where the two straight sides meet.

    >>> part = np.zeros((100, 120), np.float32)
    >>> part[10:90, 20:100] = 60
    >>> fan = find_sector(part, (0, 100, 0, 120))
    >>> [int(value) for value in (fan.y[0, 0], fan.y[-1, 0], fan.x[0, 0], fan.x[0, -1])]
    [10, 89, 20, 99]
    """
    grey = cv2.morphologyEx((part > BLACK).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    grey = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(grey)
    if len(stats) < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    wide = [one for one in range(1, len(stats)) if stats[one, cv2.CC_STAT_WIDTH] >= WIDE * stats[largest, 2]]
    mask = np.isin(labels, wide)  # bands of a transducer in air are parts of their own
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if min(width, height) < LEAST_SIDE_PX // 2:
        return None
    rows = np.arange(top, top + height)
    first = np.array([int(mask[row].argmax()) for row in rows])
    last = np.array([mask.shape[1] - 1 - int(mask[row, ::-1].argmax()) for row in rows])
    placed = _fan(mask, rows, first, last) or _straight(
        top, box[1] - box[0] - 1 if is_described else top + height - 1, left, left + width - 1
    )
    return Sector(box, placed[0] + np.float32(box[2]), placed[1] + np.float32(box[0]))


def _straight(top: int, bottom: int, left: int, right: int) -> tuple[Levels, Levels]:
    x, y = np.meshgrid(np.linspace(left, right, BEAMS), np.linspace(top, bottom, DEPTHS))
    return x.astype(np.float32), y.astype(np.float32)


def _fan(
    mask: NDArray[np.bool_], rows: NDArray[np.intp], first: NDArray[np.intp], last: NDArray[np.intp]
) -> tuple[Levels, Levels] | None:
    """None if the sides do not diverge: the widest row ends them."""
    widest = int((last - first).argmax())
    used = slice(widest // 8, max(widest, widest // 8 + 1))
    if widest < LEAST_SIDE_PX // 4 or (last - first)[widest] < 1.2 * (last - first)[used][: widest // 8 + 1].mean():
        return None
    left, right = np.polyfit(rows[used], first[used], 1), np.polyfit(rows[used], last[used], 1)
    opening = right[0] - left[0]
    if opening < 0.2:
        return None
    apex_y = (left[1] - right[1]) / opening
    apex_x = float(np.polyval(left, apex_y))
    width = float((last - first)[widest])
    strays = max(
        float(np.std(first[used] - np.polyval(left, rows[used]))),
        float(np.std(last[used] - np.polyval(right, rows[used]))),
    )
    if strays > STRAIGHT * width or abs(apex_x - (first[widest] + last[widest]) / 2) > ASKEW * width:
        return None
    y, x = np.nonzero(mask)
    radius, angle = np.hypot(y - apex_y, x - apex_x), np.arctan2(x - apex_x, y - apex_y)
    ends = np.quantile(radius, (0.001, 0.999)), np.quantile(angle, (0.02, 0.98))
    angles, radii = np.meshgrid(np.linspace(ends[1][0], ends[1][1], BEAMS), np.linspace(ends[0][0], ends[0][1], DEPTHS))
    return (apex_x + radii * np.sin(angles)).astype(np.float32), (apex_y + radii * np.cos(angles)).astype(np.float32)


def sample(shown: Levels, fan: Sector) -> Levels:
    """The picture's values at the beams; NaN outside of it."""
    at_beams = np.asarray(cv2.remap(shown, fan.x, fan.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
    height, width = shown.shape
    outside = (fan.x < -0.5) | (fan.y < -0.5) | (fan.x > width - 0.5) | (fan.y > height - 0.5)
    at_beams[outside] = np.nan
    return at_beams


def mean_profile(parts: Sequence[Levels]) -> Levels:
    """The median over the frames."""
    return np.asarray(np.median(np.stack(parts), axis=0), np.float32)
