"""Ghosts of an MR series: copies of the patient in the air along the phase direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.mr.patient import (
    MR,
    MrSlice,
    SampledSignal,
    air_of,
    foreground_of,
    mr_slice,
    signal,
    threshold,
)
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values

SECTION = "CT and MR series"
PARTS = (2, 3, 4, 5)
"""Lines that differ with every second, third, fourth or fifth one put ghosts at these parts of the field of view."""
EDGE_PX = 4
MIN_AIR_PX = 200
AROUND_PARTS = 3
"""Noise is compared with that of air within this part of the image's side."""
LEAST_AROUND = 0.03
"""Share of such air around a pixel that is compared."""


class GhostPower(NamedTuple):
    """Excess of squared signal of air where ghosts lie, in squared signal of the foreground, for each of PARTS."""

    shares: tuple[float, ...]


class GhostSignal(NamedTuple):
    """Sampled signal of a slice, and the excess brightness of air where ghosts lie; None if it cannot be measured."""

    sampled: SampledSignal
    excess: float | None


def ghost_power(plane: MrSlice, axis: int) -> tuple[float, ...]:
    """Excess of squared signal for each of PARTS; NaN where there is too little air to compare.

    >>> image = np.zeros((64, 64), np.float32); image[22:42, 16:48] = 100.0
    >>> patient = image > 0
    >>> near = cv2.dilate(patient.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    >>> ghosted = image + np.float32(0.05) * np.roll(image, 32, axis=0)
    >>> round(ghost_power(MrSlice(ghosted, patient, near), 0)[0], 4)
    0.0025
    """
    inside = np.zeros(plane.patient.shape, bool)
    inside[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX] = True
    air = inside & ~plane.near
    sources = np.where(plane.patient, plane.values, np.float32(0.0))
    return tuple(_excess(plane.values, sources, air, axis, part) for part in PARTS)


def _excess(values: Values, sources: Values, air: Mask, axis: int, part: int) -> float:
    distance = values.shape[axis] // part
    copies = np.maximum(np.roll(sources, distance, axis), np.roll(sources, -distance, axis))
    ghosts = copies > 0.0
    hit = air & ghosts
    rest = air & (cv2.dilate(ghosts.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0)
    if np.count_nonzero(hit) < MIN_AIR_PX or np.count_nonzero(rest) < MIN_AIR_PX:
        return math.nan
    level = _around(values, rest)
    hit &= np.isfinite(level)
    if np.count_nonzero(hit) < MIN_AIR_PX:
        return math.nan
    # Squares add up in a magnitude image: the mean of |ghost + noise|² is ghost² + noise².
    usual = float(np.median(values[rest]))
    noise = max(usual, float(np.median(level[hit])) * usual / max(float(values[rest].mean()), 1e-9))
    excess = float(np.median(values[hit])) ** 2 - noise**2
    return excess / float(np.median(copies[hit])) ** 2


def _around(values: Values, rest: Mask) -> Values:
    """Mean of the other air around each pixel, NaN far from any: coils and their correction make noise uneven."""
    side = 2 * (max(values.shape) // (2 * AROUND_PARTS)) + 1
    weight = cv2.blur(rest.astype(np.float32), (side, side))
    mean = cv2.blur(np.where(rest, values, np.float32(0.0)), (side, side)) / np.maximum(weight, np.float32(1e-6))
    return np.where(weight > LEAST_AROUND, mean, np.float32(np.nan))


def _power(view: SliceView) -> GhostPower | None:
    plane, phase_columns = view.once(mr_slice), view.header.phase_columns
    if plane is None or phase_columns is None or min(plane.patient.shape) <= 2 * EDGE_PX:
        return None
    shares = ghost_power(plane, 0 if phase_columns else 1)
    return GhostPower(shares) if any(math.isfinite(one) for one in shares) else None


def ghost_level(_: SeriesView | None, parts: Sequence[GhostPower]) -> float | None:
    """Ghosts of the usual slice, in percent: the largest of the distances.

    >>> ghost_level(None, [GhostPower((0.0025, -0.1, math.nan)), GhostPower((0.0025, 0.0001, math.nan))])
    5.0
    """
    if not parts:
        return None
    columns = zip(*(one.shares for one in parts), strict=True)
    finite = [[share for share in column if math.isfinite(share)] for column in columns]
    usual = [float(np.median(column)) for column in finite if column]
    return 100.0 * math.sqrt(max(0.0, *usual)) if usual else None


def _ratio(view: SliceView) -> GhostSignal | None:
    plane, sampled = view.once(mr_slice), view.once(signal)
    if plane is None or sampled is None:
        return None
    if view.header.phase_columns is None:
        return GhostSignal(sampled, None)
    axis = 0 if view.header.phase_columns else 1
    ghost = np.roll(plane.patient, plane.patient.shape[axis] // 2, axis=axis) & ~plane.near
    rest = ~plane.near & ~ghost
    if min(np.count_nonzero(ghost), np.count_nonzero(rest)) < MIN_AIR_PX:
        return GhostSignal(sampled, None)
    return GhostSignal(sampled, float(plane.values[ghost].mean() - plane.values[rest].mean()))


def ghost_to_signal(_: SeriesView | None, parts: Sequence[GhostSignal]) -> float | None:
    """Ghosts of the worst slice per median of the foreground.

    >>> sampled = SampledSignal(np.full(9, 200.0), np.full(9, 2.0))
    >>> ghost_to_signal(None, [GhostSignal(sampled, 4.0), GhostSignal(sampled, 10.0)])
    0.05
    """
    excesses = [one.excess for one in parts if one.excess is not None]
    sampled = [one.sampled for one in parts]
    if not excesses or not len(air_of(sampled)):
        return None
    return float(np.max(excesses)) / float(np.median(foreground_of(sampled)))


MR_GHOST = SeriesMeasure(
    name="mr_ghost",
    unit="%",
    label="Ghost level",
    code="MR_GHOST",
    summary="Signal of ghosts in air along the phase direction, per signal of what they copy.",
    definition="√((a² − b²) / s²) of the usual slice, a being the median of air where copies of the foreground by a "
    "half, a third, a quarter or a fifth of the field along the phase direction lie, b that of other air (of all, or "
    "of what lies around, if that is brighter), and s the median of what is copied; the largest of the distances, 0 "
    "where a is below b. Squares, because signal and noise add so in magnitude images. After percent signal ghosting "
    "(ACR, limit 2.5 %) and Giannelli et al., JACMP 11, 2010.",
    validity="Series with air and In-plane Phase Encoding Direction; the air may not be blanked. Ghosts that lie on "
    "the body alone are not seen. Doubled noise raises it.",
    tolerance="Ghosts of 3 to 10 %, signal 60 times the noise: by half of the field within 5 %, by a third up to 30 % "
    "too low, by a quarter up to 40 %. Ghosts of phase errors come out lower. Without ghosts 0 to 1.1 on real "
    "scanners.",
    section=SECTION,
    rank=550,
    modalities=MR,
    each=_power,
    shared=(threshold,),
    take=ghost_level,
    along="alone",
    concern="Copies of the anatomy lie over it along the phase direction: movement, flow, or an unstable scanner. They "
    "can look like lesions or hide them.",
)
MR_GSR = SeriesMeasure(
    name="mr_gsr",
    unit="1",
    label="Ghost to signal ratio",
    code="MR_GSR",
    summary="Signal of air half a field away along phase, over other air, per signal.",
    definition="(mean of air half a field away from the foreground along the phase direction − mean of other air) / "
    "median of the foreground, worst slice: MRIQC's ghost-to-signal ratio (Giannelli et al., JACMP 11, 2010).",
    validity="As `mr_ghost`; only ghosts by half of the field.",
    tolerance="Too low, because signal adds to noise by squares: 0.012 for a ghost of 3 %, 0.07 for one of 10 %, "
    "signal 60 times the noise. Repeated with other noise within 0.001.",
    section=SECTION,
    rank=551,
    modalities=MR,
    each=_ratio,
    shared=(threshold,),
    take=ghost_to_signal,
)
