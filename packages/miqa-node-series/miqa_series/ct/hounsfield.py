"""Correctness of Hounsfield units: values of air, fat and soft tissue, and their common offset."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.series_view import SliceView
from miqa_series.ct.body import all_far_air, ct_slice, far_air, window_mean
from miqa_series.ct.truncation import field_cut
from miqa_series.stacks.whole import is_sampled

CLASS_HU = 2.0
SMOOTHING = 5
AIR_RANGE_HU, FAT_RANGE_HU, SOFT_RANGE_HU = (-1100.0, -850.0), (-180.0, -30.0), (-20.0, 140.0)
MAX_DEVIATIONS = 2.0
"""A window of one tissue has no more than so many times the noise of the quietest quarter of soft tissue."""
MIN_AREA_MM2 = 1500.0
MOST_CUT = 5.0
"""Percent of the field's edge: beside a body that is cut off more than that, values of air are wrong."""
CUT_OFF_SHARE = 0.25
"""With more of the air at the lowest stored value only one side of its noise is left, and noise moves its peak."""
EXPECTED_AIR_HU, EXPECTED_FAT_HU, EXPECTED_SOFT_HU, EXPECTED_BRAIN_HU = -1000.0, -100.0, 45.0, 30.0
Counts = NDArray[np.intp]


class TissueCounts(NamedTuple):
    """Histograms of a slice: pixels of air, windows of fat and of soft tissue; and the area of a pixel in mm².

    ``air_px`` counts all pixels of air, also those at the lowest stored value, which the histogram leaves out.
    """

    air: Counts
    fat: Counts
    soft: Counts
    pixel_mm2: float
    air_px: int


def tissue_counts(view: SliceView) -> TissueCounts | None:
    """None without a body, and of slices that are not sampled."""
    plane = view.once(ct_slice) if is_sampled(view) else None
    if plane is None:
        return None
    cut, side, mean = view.once(field_cut), plane.window_px, view.once(window_mean)
    is_whole = cut is None or cut.share <= MOST_CUT
    air, every = (view.once(far_air), view.once(all_far_air)) if is_whole else (None, None)
    inside = cv2.erode(plane.body.view(np.uint8), np.ones((side, side), np.uint8)) > 0
    fat = inside & (mean > FAT_RANGE_HU[0]) & (mean < FAT_RANGE_HU[1])
    soft = inside & (mean > SOFT_RANGE_HU[0]) & (mean < SOFT_RANGE_HU[1])
    square = cv2.blur(plane.image * plane.image, (side, side))
    deviations = np.sqrt(np.maximum(square - mean * mean, np.float32(0.0)))
    if soft.any():
        quiet = deviations <= MAX_DEVIATIONS * np.percentile(deviations[soft], 25.0)
        fat, soft = fat & quiet, soft & quiet
    return TissueCounts(
        _histogram(plane.image[air] if air is not None else np.empty(0, np.float32), AIR_RANGE_HU),
        _histogram(mean[fat], FAT_RANGE_HU),
        _histogram(mean[soft], SOFT_RANGE_HU),
        plane.spacing_mm**2,
        0 if every is None else int(np.count_nonzero(every)),
    )


def _histogram(values: NDArray[np.float32], limits: tuple[float, float]) -> Counts:
    classes = round((limits[1] - limits[0]) / CLASS_HU)
    return np.asarray(np.histogram(values, classes, limits)[0], np.intp)


def peak(counts: Counts, limits: tuple[float, float], pixel_mm2: float) -> float | None:
    """The most frequent value, of classes smoothed over five; None if the tissue covers too small an area.

    None also at an end of the range, where the values of another tissue begin.

    >>> counts = np.zeros(125, int); counts[48:53] = (10, 50, 90, 50, 10)
    >>> peak(counts, AIR_RANGE_HU, 100.0), peak(counts, AIR_RANGE_HU, 1.0)
    (-999.0, None)
    >>> peak(np.arange(125), AIR_RANGE_HU, 100.0) is None
    True
    """
    if counts.sum() * pixel_mm2 < MIN_AREA_MM2:
        return None
    smooth = np.convolve(counts.astype(np.float64), np.ones(SMOOTHING) / SMOOTHING, mode="same")
    top = int(smooth.argmax())
    return limits[0] + (top + 0.5) * CLASS_HU if SMOOTHING <= top < len(counts) - SMOOTHING else None


class TissueValues(NamedTuple):
    """HU of each tissue; None where there is too little of it."""

    air: float | None
    fat: float | None
    soft: float | None


def tissue_values(parts: Sequence[TissueCounts]) -> TissueValues:
    """The peaks over all slices."""
    if not parts:
        return TissueValues(None, None, None)
    area = parts[0].pixel_mm2
    air = np.sum([one.air for one in parts], axis=0)
    fat = np.sum([one.fat for one in parts], axis=0)
    soft = np.sum([one.soft for one in parts], axis=0)
    return TissueValues(peak(air, AIR_RANGE_HU, area), peak(fat, FAT_RANGE_HU, area), peak(soft, SOFT_RANGE_HU, area))


def common_offset(values: TissueValues) -> float | None:
    """The median deviation of air, fat and soft tissue; of two tissues, the deviation that both show.

    >>> common_offset(TissueValues(-970.0, -68.0, 80.0)), common_offset(TissueValues(-1000.0, None, 34.0))
    (32.0, 2.0)
    >>> common_offset(TissueValues(None, -95.0, 110.0)), common_offset(TissueValues(None, -72.0, 110.0))
    (5.0, 28.0)
    """
    air, fat, soft = values
    if soft is None:
        return None
    if fat is None:
        return None if air is None else (air - EXPECTED_AIR_HU + soft - EXPECTED_BRAIN_HU) / 2.0
    of_fat, of_soft = fat - EXPECTED_FAT_HU, soft - EXPECTED_SOFT_HU
    if air is None:
        return min(of_fat, of_soft, key=abs) if of_fat * of_soft > 0.0 else 0.0
    return float(np.median([air - EXPECTED_AIR_HU, of_fat, of_soft]))


def without_cut_off_air(values: TissueValues, parts: Sequence[TissueCounts]) -> TissueValues:
    """The same without air where the scanner cuts off values, which moves its peak upwards.

    >>> half = TissueCounts(np.full(125, 4), np.zeros(0), np.zeros(0), 1.0, air_px=1000)
    >>> without_cut_off_air(TissueValues(-985.0, -90.0, 40.0), [half]).air is None
    True
    """
    shown, every = sum(int(one.air.sum()) for one in parts), sum(one.air_px for one in parts)
    if values.air is None or values.air < EXPECTED_AIR_HU or shown >= (1.0 - CUT_OFF_SHARE) * every:
        return values
    return values._replace(air=None)


def counts_of(view: SliceView) -> TissueCounts | None:
    """The contribution of a slice to all four measurements."""
    return view.once(tissue_counts)


CONCERN = (
    "Hounsfield units cannot be trusted: what is measured in them, from fat in the liver to calcium and dose plans, is "
    "wrong by as much. Check the calibration of the scanner with its water phantom."
)
_measure = partial(
    SeriesMeasure,
    section=STACKS,
    modalities=("CT",),
    unit="[hnsf'U]",
    proof="Drawn air, fat and tissue, shifted by −10 to 30 HU.",
    decimals=0,
    each=counts_of,
    concern=CONCERN,
)
HU_AIR = _measure(
    name="hu_air",
    least_spread=1.5,
    label="Air around the patient",
    summary="Most frequent value of the air around the patient.",
    definition="Most frequent value (classes of 2 HU, smoothed over five) of the air of `air_noise`, of up to 40 "
    "slices; by definition of the scale −1000 HU.",
    validity="Slices of which the body touches at most 5 % of the field's edge; series with 15 cm² of air beside the "
    "patient or more.",
    tolerance="Within 2 HU on drawn bodies, shifted by up to 30 HU; −1000 HU within 10 HU on real scanners.",
    agreement=2,
    rank=402,
    take=lambda _, parts: tissue_values(parts).air,
    along="alone",
)
HU_FAT = _measure(
    name="hu_fat",
    least_spread=2.0,
    label="Fat",
    summary="Most frequent mean of 6 mm windows of fat.",
    definition="Most frequent mean of 6 mm windows in the body with −180 to −30 HU and no more than twice the noise of "
    "the quietest quarter of soft tissue; fat is −120 to −80 HU at 120 kV.",
    validity="Bodies with 15 cm² of fat or more; heads mostly have less.",
    tolerance="Within 3 HU on drawn bodies, shifted by up to 30 HU. Fat itself differs by 40 HU.",
    agreement=3,
    rank=403,
    take=lambda _, parts: tissue_values(parts).fat,
    along="alone",
)
HU_SOFT_TISSUE = _measure(
    name="hu_soft_tissue",
    least_spread=2.0,
    label="Water-like tissue",
    summary="Most frequent mean of 6 mm windows of water-like tissue.",
    definition="The same of −20 to 140 HU: brain 20 to 40, muscle and organs 40 to 70 HU.",
    validity="Bodies with 15 cm² of soft tissue or more. Contrast medium raises it.",
    tolerance="Within 2 HU on drawn bodies, shifted by up to 30 HU. Tissue itself differs by 50 HU.",
    agreement=2,
    rank=404,
    take=lambda _, parts: tissue_values(parts).soft,
    along="alone",
    concern="",
)
HU_OFFSET = _measure(
    name="hu_offset",
    least_spread=2.0,
    label="Common offset of Hounsfield units",
    summary="What air, fat and water-like tissue together deviate from their usual values.",
    definition="Median of `hu_air` + 1000, `hu_fat` + 100 and `hu_soft_tissue` − 45; without fat the mean of the first "
    "and of `hu_soft_tissue` − 30. Without air the smaller of the other two, 0 if their signs differ; so too if air "
    "lies above −1000 HU and a quarter of it has the lowest stored value: noise moves what is left. Contrast medium "
    "changes one of the three, a wrong intercept all, a wrong value of water two. Own definition.",
    validity="Series with soft tissue and either air or fat. Heads, and contrast medium, hide a wrong value of water.",
    tolerance="Within 3 HU for shifts of up to 30 HU on drawn bodies. Phantoms of water are held to ±5 HU (IEC "
    "61223-3-5, ACR CT accreditation); tissue cannot be.",
    agreement=3,
    rank=405,
    take=lambda _, parts: common_offset(without_cut_off_air(tissue_values(parts), parts)),
)
