"""Sharpness of a CT series, from the edge between air and skin."""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, sqrt
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import Mask, SliceView
from miqa_series.ct.body import ct_measure, ct_slice, outline
from miqa_series.stacks.whole import is_sampled

SMOOTHING_PX = 3.0
"""The outline is averaged over so many pixels: its course is then known to a fraction of a pixel."""
REACH_PX = 6.0
STEP_PX = 0.1
BINS = round(2.0 * REACH_PX / STEP_PX)
EDGE_HU = -500.0
CLEAN_AIR_HU, TISSUE_HU = -900.0, -200.0
MIN_PER_BIN = 40
FREQUENCIES = np.linspace(0.0, 0.5, 501)
"""Cycles per pixel."""
_DISTANCES = np.linspace(-3.0, 3.0, 601) * SMOOTHING_PX
_SHARES = np.array([0.5 * (1.0 + erf(one / SMOOTHING_PX / sqrt(2.0))) for one in _DISTANCES])
HALF = 0.5


class EdgeSpread(NamedTuple):
    """Sum of values and number of pixels by distance from the skin, and the pixel pitch in mm."""

    sums: NDArray[np.float64]
    counts: NDArray[np.intp]
    spacing_mm: float


def edge_spread(view: SliceView) -> EdgeSpread | None:
    """None without a body, and of slices that are not sampled."""
    return view.once(_spread)


def _spread(view: SliceView) -> EdgeSpread | None:
    plane = view.once(ct_slice) if is_sampled(view) else None
    if plane is None:
        return None
    distance, clean = skin_distance(plane.image, view.once(outline))
    near = clean & (np.abs(distance) < REACH_PX)
    classes = ((distance[near] + REACH_PX) / STEP_PX).astype(int)
    sums = np.asarray(np.bincount(classes, plane.image[near], BINS)[:BINS], np.float64)
    return EdgeSpread(sums, np.bincount(classes, minlength=BINS)[:BINS], plane.spacing_mm)


def skin_distance(image: NDArray[np.float32], inside: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Mask]:
    """(distance from the skin in pixels, positive inside; where the skin borders on clean air).

    A mask that was smoothed by a Gaussian is Φ(d / σ) beside a straight edge: its inverse is the distance d.
    """
    edge = ((image > EDGE_HU) & (cv2.dilate(inside, np.ones((5, 5), np.uint8)) > 0)) | (
        cv2.erode(inside, np.ones((9, 9), np.uint8)) > 0
    )
    smooth = cv2.GaussianBlur(edge.astype(np.float32), (0, 0), SMOOTHING_PX)
    distance = np.interp(smooth, _SHARES, _DISTANCES).astype(np.float32)
    averaged, beyond = cv2.blur(image, (5, 5)), 0.8 * REACH_PX
    is_air, is_tissue = averaged < CLEAN_AIR_HU, averaged > TISSUE_HU
    outside, within = distance < -beyond, distance > beyond
    odd = (outside & ~is_air) | (within & ~is_tissue)
    clean: Mask = _near(outside & is_air) & _near(within & is_tissue) & ~_near(odd)
    return distance, clean


def _near(mask: Mask) -> Mask:
    side = 2 * round(2.0 * REACH_PX) + 1
    near: Mask = cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)) > 0
    return near


def half_frequency(values: NDArray[np.float64], step: float) -> float | None:
    """Frequency at which the edge's transfer falls to one half; ``values`` along the edge, ``step`` apart.

    >>> edge = np.array([500.0 * (1.0 + erf(x / 2**0.5)) for x in np.arange(-6, 6, 0.1)])  # σ is 1
    >>> round(half_frequency(edge, 0.1), 2)  # √(2 ln 2) / (2π σ)
    0.19
    """
    spread = np.gradient(np.convolve(np.pad(values, 2, mode="edge"), np.ones(5) / 5.0, mode="valid"))
    top = int(spread.argmax())
    if spread[top] <= 0.0:
        return None
    first, last = top, top  # beyond the peak lie fat, which is darker than skin, and noise
    while first > 0 and spread[first - 1] > 0.0:
        first -= 1
    while last < len(spread) - 1 and spread[last + 1] > 0.0:
        last += 1
    line = spread[first : last + 1]
    places = np.arange(len(line)) * step
    transfer = np.abs(np.exp(-2j * np.pi * np.outer(FREQUENCIES, places)) @ line) / line.sum()
    blur = np.sinc(FREQUENCIES * 5 * step)
    below = np.flatnonzero(transfer / blur < HALF)
    return float(FREQUENCIES[below[0]]) if below.size else None


def half_transfer(parts: Sequence[EdgeSpread]) -> float | None:
    """The frequency in 1/mm over all slices; None if too few pixels lie near the skin."""
    if not parts:
        return None
    counts = np.sum([one.counts for one in parts], axis=0)
    if counts.min() < MIN_PER_BIN:
        return None
    cycles = half_frequency(np.sum([one.sums for one in parts], axis=0) / counts, STEP_PX)
    return None if cycles is None else cycles / parts[0].spacing_mm


SKIN_MTF_50 = ct_measure(
    name="skin_mtf_50",
    unit="1/mm",
    least_spread=0.005,
    least_spread_share=0.03,
    scale=POSITIVE,
    label="MTF 50 % at the skin",
    summary="Frequency at which the edge between air and skin is transferred to one half.",
    definition="Values by distance from the smoothed outline of the body, in steps of a tenth of a pixel, where clean "
    "air borders on the skin, of up to 40 slices; the derivative's main peak, its Fourier transform, and the frequency "
    "of 50 % (after Sanders, Hurwitz and Samei, Med Phys 43, 2016, who found .30 to .42 /mm for soft and hard "
    "kernels).",
    validity="Bodies beside clean air. The thickness of the skin limits it; left out above half the sampling "
    "frequency.",
    tolerance="Within 12 % on edges of known blur; repeated with other noise within 0.002 /mm.",
    agreement_share=0.12,
    proof="Drawn edges of known blur: √(2 ln 2) / (2 π σ).",
    decimals=2,
    rank=412,
    each=edge_spread,
    take=lambda _, parts: half_transfer(parts),
)
