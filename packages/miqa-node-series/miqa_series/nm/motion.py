"""Motion between the frames of a dynamic study of nuclear medicine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.assessment import Measurement
from miqa_node.dicom.bytes.numbers import all_numbers
from miqa_node.stages.measure.frames import elements, place_of_frame
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_series.nm.tags import nm_measure

SIDE_PX = 128
LEAST_RESPONSE = 0.15
"""Of phase correlation: below it frames do not show the same."""


class CountLook(NamedTuple):
    """A small copy of a frame without its brightness, and how many pixels one of it is a side."""

    position: int
    small: NDArray[np.float16]
    scale: float


def _look(view: SliceView) -> CountLook | None:
    scale = max(1.0, max(view.values.shape) / SIDE_PX)
    size = round(view.values.shape[1] / scale), round(view.values.shape[0] / scale)
    small = cv2.GaussianBlur(cv2.resize(view.values, size, interpolation=cv2.INTER_AREA), (0, 0), 2.0)
    top = float(small.max())
    return CountLook(view.index, (small / top).astype(np.float16), scale) if top > 0 else None


def shift(one: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """How far the second picture lies from the first, in pixels; None if they do not show the same.

    >>> picture = np.zeros((64, 64), np.float32)
    >>> picture[20:40, 25:35] = 1
    >>> round(shift(picture, np.roll(picture, 3, axis=0)))
    3
    """
    window = cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F)
    (x, y), response = cv2.phaseCorrelate(one, other, window)
    return float(np.hypot(x, y)) if response >= LEAST_RESPONSE else None


def _is_one_view(series: SeriesView) -> bool:
    """Whether all frames are of one detector, window and angle: others are not expected to agree."""
    vectors = ("DetectorVector", "EnergyWindowVector", "RotationVector", "AngularViewVector", "SliceVector")
    return all(len(set(all_numbers(series.once(elements), one))) <= 1 for one in vectors)


def _largest(series: SeriesView, parts: Sequence[CountLook]) -> Measurement | None:
    spacing_mm = series.slices[0].spacing_mm
    if len(parts) < 2 or spacing_mm is None or not _is_one_view(series):
        return None
    first = np.median(np.stack([one.small for one in parts]).astype(np.float32), axis=0)
    shifts = [(shift(first, one.small.astype(np.float32)), one) for one in parts]
    far = [(length * one.scale * spacing_mm[0], one.position) for length, one in shifts if length is not None]
    if not far:
        return None
    length_mm, position = max(far)
    return Measurement("nm_motion", length_mm, "mm", place_of_frame(series, position))


NM_MOTION = nm_measure(
    name="nm_motion",
    unit="mm",
    label="Motion between frames",
    summary="Largest shift of a frame against the median of all.",
    definition="Largest shift of a frame against the median of all frames, by phase correlation (Kuglin and Hines, "
    "1975) of copies smoothed to 2 pixels.",
    validity="Runs of one detector, window and angle, with a spacing. Frames that do not correlate are left out, and a "
    "tracer that moves is taken for a patient who does.",
    tolerance="Within 0.3 pixels for drawn shifts of 2 to 8 pixels; frames that do not move give less than that.",
    rank=913,
    least_frames=2,
    each=_look,
    take=_largest,
)
