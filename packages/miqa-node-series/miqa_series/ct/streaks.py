"""Streaks on a CT series: structure in the air around the body, and lines through the body."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.base import STACKS, SeriesMeasure
from miqa_node.stages.measure.series_view import SliceView, Values
from miqa_series.ct.air_noise import robust_deviation
from miqa_series.ct.body import ct_slice, far_air, window_mean
from miqa_series.stacks.whole import SliceNumber, fifth_slice, worst_slice

CONCERN = (
    "Streaks hide what lies under them and change Hounsfield units: metal, motion, arms beside the body, or too few "
    "photons. Look at the slice; if it covers what was asked for, repeat with the cause removed."
)
HALO_MM = 40.0
TISSUE_HU = (-150.0, 250.0)
SOFT_HU = (-50.0, 150.0)
CROP_PX = 256
"""Side of the square around the body's middle whose spectrum is taken."""
MIN_SOFT_PX = 8000
CLIP_HU = 100.0
SECTORS = 36
BAND = (0.08, 0.4)
"""Cycles per pixel: below lie organs, above the noise of sharp kernels."""


def _air_structure(view: SliceView) -> SliceNumber | None:
    """Deviation of 6 mm means of air, without what changes slowly: the halo of scattered rays."""
    plane, air = view.once(ct_slice), view.once(far_air)
    if plane is None or air is None:
        return None
    side = max(3, round(HALO_MM / plane.spacing_mm) | 1)
    weight = cv2.blur(air.astype(np.float32), (side, side))
    mean = view.once(window_mean)
    slow = cv2.blur(np.where(air, mean, np.float32(0.0)), (side, side)) / np.maximum(weight, 1e-6)
    return SliceNumber(view.index, robust_deviation(np.asarray((mean - slow)[air], np.float32)))


def _lines(view: SliceView) -> SliceNumber | None:
    plane = view.once(ct_slice)
    if plane is None:
        return None
    square = _square(plane.image, view.once(window_mean), plane.window_px)
    return None if square is None else SliceNumber(view.index, line_likeness(square))


def _square(image: Values, mean: Values, side: int) -> Values | None:
    """Soft tissue without its local mean, in a square around the middle of the image; 0 elsewhere."""
    rows, columns = (slice(max(0, (length - CROP_PX) // 2), (length + CROP_PX) // 2) for length in image.shape)
    cut, level = image[rows, columns], mean[rows, columns]
    tissue = ((cut > TISSUE_HU[0]) & (cut < TISSUE_HU[1])).view(np.uint8)
    soft = cv2.erode(tissue, np.ones((side, side), np.uint8)) > 0
    soft &= (level > SOFT_HU[0]) & (level < SOFT_HU[1])
    if np.count_nonzero(soft) < MIN_SOFT_PX:
        return None
    return np.where(soft, np.clip(cut - level, -CLIP_HU, CLIP_HU), np.float32(0.0))


class Directions(NamedTuple):
    """The direction of each frequency of a half spectrum, as the number of a sector, and whether it counts."""

    sector: NDArray[np.intp]
    inside: NDArray[np.bool_]
    counts: NDArray[np.intp]


@lru_cache(maxsize=4)
def _directions(rows: int, columns: int) -> Directions:
    down, right = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None]
    radius = np.hypot(down, right)
    sector = ((np.arctan2(down, right) + np.pi / 2) / np.pi * SECTORS).astype(int) % SECTORS
    inside = (radius > BAND[0]) & (radius < BAND[1])
    return Directions(sector[inside], inside, np.maximum(np.bincount(sector[inside], minlength=SECTORS), 1))


def line_likeness(image: Values) -> float:
    """Power of the strongest of 36 directions over that of the median one; about 1 for noise.

    >>> stripes = np.tile(np.sin(np.arange(128, dtype=np.float32)), (128, 1))
    >>> line_likeness(stripes) > 100
    True
    """
    directions = _directions(*image.shape)
    power = np.abs(np.fft.rfft2(image))[directions.inside] ** 2
    mean = np.bincount(directions.sector, power, SECTORS) / directions.counts
    return float(mean.max() / max(float(np.median(mean)), 1e-12))


_measure = partial(
    SeriesMeasure, section=STACKS, modalities=("CT",), scale=POSITIVE, decimals=1, along="alone", concern=CONCERN
)
STREAK_INDEX = _measure(
    name="streak_index",
    unit="[hnsf'U]",
    least_spread=0.3,
    least_spread_share=0.05,
    label="Streak index",
    summary="Spread of 6 mm means of the air around the body, which a fifth of the slices reach.",
    definition="1.4826 · median absolute deviation of 6 mm means of the air of `air_noise`, their mean over 40 mm "
    "taken away; the value that a fifth of the slices reach, because shoulders make streaks on a few. What averaging "
    "does not remove is structure, mostly streaks; a head rest or a blanket in a part of the air hardly counts. Own "
    "definition.",
    validity="As `air_noise`; scanners that cut values off at −1024 HU hide half of it. Streaks that stay inside the "
    "body are not seen.",
    tolerance="Rays of ±30 to ±120 HU in the air give 1.4 times as much, within 5 %. Noise alone gives 0.1 to 0.5 "
    "times its deviation; repeated within 10 %.",
    agreement_share=0.05,
    proof="Drawn rays: 1.4826 times the median absolute deviation of their two levels.",
    rank=430,
    each=_air_structure,
    take=fifth_slice("streak_index", "[hnsf'U]"),
)
STREAK_DIRECTION = _measure(
    name="streak_direction",
    unit="1",
    least_spread=0.2,
    label="Direction of noise in tissue",
    summary="How much stronger the texture of soft tissue is in one direction than in the others, on the worst slice.",
    definition="Noise power of soft tissue (6 mm windows of −50 to 150 HU, their mean taken away) in the strongest of "
    "36 sectors of direction over that of the median sector, .08 to .4 cycles per pixel, in the 256 pixels around the "
    "middle of the image, on the worst slice. Noise of a round body is alike in all directions; photon starvation and "
    "lost views make parallel lines (Hsieh, Med Phys 25, 1998, describes them). Own definition.",
    validity="Slices with 8000 pixels of soft tissue or more. Parallel lines; rays around a point go in all "
    "directions.",
    tolerance="Real slices: 1.5 to 5. Parallel lines of 5 HU in noise of 8 HU give about 10; repeated with other noise "
    "within 0.6.",
    agreement=0.6,
    proof="Drawn parallel lines in noise, against a sum over the frequencies of each direction written apart.",
    rank=431,
    each=_lines,
    take=worst_slice("streak_direction", "1"),
)
