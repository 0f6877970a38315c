"""The pectoral muscle's edge and the posterior nipple line of a mammogram, as lengths."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import usual
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_series.mg.border import is_oblique, only_a_part
from miqa_series.mg.breast import SIDE_PX, Breast, frame_breast

ANGLES = (10.0, 55.0)
"""Usual angles of the muscle's edge with the chest wall, in degrees."""
LEAST_ROWS = 30
STRAY_PX = 6.0
STEEP = 0.05
"""Least fall of an edge across three pixels, of the range of the picture."""
FITS = 0.4
"""Share of the rows whose edge must lie on the line."""


class BreastLines(NamedTuple):
    """Lengths in mm: of the muscle's edge; from the nipple to it; from the nipple straight to the chest wall."""

    pectoral: float | None
    oblique: float | None
    straight: float


def lines(breast: Breast, pitch_mm: float) -> BreastLines:
    """``pitch_mm`` is that of the small picture.

    >>> mask = np.zeros((100, 80), bool)
    >>> mask[20:80, :60] = True
    >>> lines(Breast(mask.astype(np.float32), mask, 1.0, True), 2.0)
    BreastLines(pectoral=None, oblique=None, straight=120.0)
    """
    reach = np.where(breast.mask.any(axis=1), breast.mask.shape[1] - breast.mask[:, ::-1].argmax(axis=1), 0)
    nipple = int(np.flatnonzero(reach == reach.max()).mean())
    straight = float(reach.max()) * pitch_mm
    edge = pectoral_edge(breast, nipple)
    if edge is None:
        return BreastLines(None, None, straight)
    slope, start = edge
    length = float(np.hypot(start, start / slope)) * pitch_mm
    across = abs(float(reach.max()) - start + slope * nipple) / float(np.hypot(1.0, slope)) * pitch_mm
    return BreastLines(length, min(across, straight), straight)


def pectoral_edge(breast: Breast, nipple: int) -> tuple[float, float] | None:
    """The line x = start - slope * y that most rows above the nipple have their steepest fall on; None without one."""
    smooth = cv2.GaussianBlur(breast.levels, (0, 0), 3.0)
    fall = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    rows = np.arange(LEAST_ROWS // 6, max(nipple, LEAST_ROWS))
    width = breast.mask.sum(axis=1)[rows]
    least = -STEEP * float(np.quantile(smooth, 0.99) - smooth.min())
    inner = [fall[row, : max(2, int(0.85 * wide))] for row, wide in zip(rows, width, strict=True)]
    edges = np.array([int(one.argmin()) if one.min() < least else -SIDE_PX for one in inner])
    best, fits = None, 0
    for slope in np.tan(np.radians(np.arange(ANGLES[0], ANGLES[1], 1.0))):
        for start in np.arange(20.0, breast.mask.shape[1], 4.0):
            line = start - slope * rows
            above = line > 0
            near = int((np.abs(edges - line) < STRAY_PX)[above].sum())
            if above.sum() >= LEAST_ROWS and near > fits and near >= FITS * above.sum():
                best, fits = (float(slope), float(start)), near
    return best


def _part(view: SliceView) -> BreastLines | None:
    breast, spacing_mm = view.once(frame_breast), view.radiograph.spacing_mm
    if breast is None or spacing_mm is None:
        return None
    return lines(breast, breast.scale * float(np.sqrt(spacing_mm[0] * spacing_mm[1])))


def _pectoral(series: SeriesView, parts: Sequence[BreastLines]) -> float | None:
    if not is_oblique(series.header):
        return None
    return usual([one.pectoral for one in parts if one.pectoral is not None])


def _nipple(series: SeriesView, parts: Sequence[BreastLines]) -> float | None:
    lengths = [one.oblique if is_oblique(series.header) else one.straight for one in parts]
    return usual([one for one in lengths if one is not None])


_measure = partial(
    FramesMeasure, section="Mammography", modalities=("MG",), unit="mm", excludes=only_a_part, each=_part
)
MG_PECTORAL_LENGTH = _measure(
    name="mg_pectoral_length",
    label="Length of the pectoral muscle",
    code="MG_PECTORAL",
    summary="Length of the pectoral muscle's edge on an oblique view.",
    definition="Length of the straight line, 10 to 55° from the chest wall, on which at least two of five rows above "
    "the nipple have their steepest fall, from the top to the chest wall. A measurement, not a verdict on positioning.",
    validity="Oblique views (View Position) with a spacing. The muscle's edge is taken for straight, and the line may "
    "go on below what is seen of it.",
    tolerance="Within 12 % on a drawn muscle; on real ones not known.",
    rank=820,
    take=_pectoral,
)
MG_NIPPLE_LINE = _measure(
    name="mg_nipple_line",
    label="Posterior nipple line",
    summary="Distance of the nipple from the chest wall, on an oblique view from the pectoral muscle.",
    definition="Posterior nipple line (Eklund and Cardenosa, Radiol Clin North Am 30, 1992): distance of the breast's "
    "foremost point, taken for the nipple, from the edge of the picture at the chest wall, or at a right angle from "
    "the pectoral line of an oblique view, if that is shorter.",
    validity="Views with a spacing; without View Position an oblique view is measured to the edge of the picture. "
    "Left out of views of a part, as `mg_border_contact`.",
    tolerance="3 to 4 mm too short on drawn breasts of 72 to 128 mm. Both views of a breast should agree within 10 mm "
    "(same source).",
    rank=821,
    take=_nipple,
)
