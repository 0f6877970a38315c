"""The patient and the air on an MR slice, which several measurements need; there are no tissue masks.

After the formulas of MRIQC (Esteban et al., PLoS ONE 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.outlines import BORDER_PX, CUT_SIDES, find_patient, find_threshold, reached_sides, spread
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_series.stacks.square import square

THRESHOLD_SLICES = 15
MIN_FOREGROUND_SHARE = 0.02
AIR_MM_FACTOR = 0.03
"""Distance of the air region from the patient, as a share of the image's side."""
DIM_SHARE = 0.4
"""Of the threshold: far from a coil the body is dark."""
LEAVES_FIELD = Phrase("the body leaves the field of view at two sides or more")


class MrSlice(NamedTuple):
    """Magnitude, the patient, and what is no air: the patient with a margin, and what was not scanned.

    ``is_whole``: all of the field was scanned.
    """

    values: Values
    patient: Mask
    near: Mask
    is_whole: bool = True


class SampledSignal(NamedTuple):
    """Evenly spread values of a slice: of the foreground, and of air (empty if there is none)."""

    foreground: Values
    air: Values


def magnitude(view: SliceView) -> Values:
    """The slice without negative values; padding is 0."""
    positive = np.maximum(view.values, 0.0)
    return positive if view.valid is None else np.where(view.valid, positive, np.float32(0.0))


def mr_slice(view: SliceView) -> MrSlice | None:
    """None if the patient covers hardly any pixels."""
    return _slice(view, view.once(magnitude), view.header.spacing_mm or (1.0, 1.0))


def square_slice(view: SliceView) -> MrSlice | None:
    """The same with pixels that are squares."""
    values = view.once(magnitude)
    squares = square(values, view.header.spacing_mm)
    return view.once(mr_slice) if squares is values else _slice(view, np.maximum(squares, 0.0), (1.0, 1.0))


def _slice(view: SliceView, values: Values, spacing_mm: tuple[float, float]) -> MrSlice | None:
    patient = find_patient(values, view.series.once(threshold))
    if patient.mean() < MIN_FOREGROUND_SHARE:
        return None
    (rows, columns), (tall, wide) = values.shape, spacing_mm
    down = max(2, round(AIR_MM_FACTOR * max(rows, columns * wide / tall)))
    right = max(2, round(AIR_MM_FACTOR * max(columns, rows * tall / wide)))
    near = cv2.dilate(patient.astype(np.uint8), np.ones((2 * down + 1, 2 * right + 1), np.uint8)) > 0
    outside = outside_of(view, values.shape)
    return MrSlice(values, patient, near | outside, not outside.any())


def outside_of(view: SliceView, shape: tuple[int, ...]) -> Mask:
    """What was not scanned, on a picture of the slice of this shape."""
    outside = not_scanned(view.once(magnitude)).astype(np.uint8)
    return cv2.resize(outside, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0


def not_scanned(values: Values) -> Mask:
    """The zeros that begin at the border of a slice: distortion correction, a circle, padding, air set to zero.

    >>> values = np.random.default_rng(0).rayleigh(2.0, (32, 32)).astype(np.float32); values[:, :8] = 0.0
    >>> int(not_scanned(values)[:, :12].sum()), int(not_scanned(values)[:, 16:].sum())
    (384, 0)
    """
    square = np.ones((BORDER_PX, BORDER_PX), np.uint8)
    zeros = np.pad((values == 0.0).astype(np.uint8), BORDER_PX, mode="edge")
    even = cv2.morphologyEx(zeros, cv2.MORPH_OPEN, square)
    _, labels = cv2.connectedComponents(even)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    outside = np.isin(labels, border[border > 0]).astype(np.uint8)
    wide = cv2.dilate(outside, np.ones((2 * BORDER_PX - 1,) * 2, np.uint8)) if outside.any() else outside
    inside: Mask = wide[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX] > 0
    return inside


def leaves_field(view: SliceView) -> str:
    """:func:`why_left` of a body that may be dim."""
    return why_left(view, DIM_SHARE)


def why_left(view: SliceView, share: float) -> str:
    """Why nothing that needs the whole outline can be measured on the slice; empty if it can.

    ``share`` of the threshold is the least brightness of the body.
    """
    body = view.once(magnitude) > share * view.series.once(threshold)
    return LEAVES_FIELD if reached_sides(body) >= CUT_SIDES else ""


def signal(view: SliceView) -> SampledSignal | None:
    """The slice's contribution to signal and noise; None without a patient."""
    plane = view.once(mr_slice)
    if plane is None:
        return None
    return SampledSignal(spread(plane.values[plane.patient]), spread(plane.values[~plane.near]))


def foreground_of(parts: Sequence[SampledSignal]) -> NDArray[np.float64]:
    """All samples of the foreground."""
    return np.concatenate([one.foreground for one in parts]).astype(np.float64) if parts else np.zeros(0)


def air_of(parts: Sequence[SampledSignal]) -> NDArray[np.float64]:
    """All samples of air; empty if the scanner sets air to zero, as there is then no noise to compare with."""
    air = np.concatenate([one.air for one in parts]).astype(np.float64) if parts else np.zeros(0)
    return air if len(air) > 1 and np.median(air) > 0.0 else np.zeros(0)


def threshold(series: SeriesView) -> float:
    """Threshold between patient and air, from slices of the whole stack."""
    images = series.sample(THRESHOLD_SLICES)
    return find_threshold(images) if images else 0.0


mr_measure = partial(SeriesMeasure, section=STACKS, modalities=("MR",), shared=(threshold,))
