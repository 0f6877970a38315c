"""Ghosts of an MR series: copies of the patient in the air along the phase direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView, Values
from miqa_series.mr.patient import (
    MrSlice,
    SampledSignal,
    air_of,
    foreground_of,
    mr_measure,
    mr_slice,
    signal,
    square_slice,
    why_left,
)

EDGE_PX = 4
MIN_AIR_PX = 200
AROUND_PARTS = 3
"""Noise is compared with that of air within this part of the image's side."""
LEAST_AROUND = 0.03
"""Share of such air around a pixel that is compared."""
LEAST_SHARE = 0.0001
"""A ghost of 1 %: of what is less nobody asks whether it looks like one."""
LEAST_LIKENESS = 0.09
"""Ghosts of 5 % have .15 to .6, shading and dark tissue up to .05: they are bright, but no picture of the patient."""
DETAIL_PARTS = 16
"""Brightness is compared within this part of the image's side: shading is even there."""
BRIGHT_PERCENTILE = 95.0
"""Of air: single bright pixels are no picture."""
SCALP_SHARE = 0.07
"""Of the image's side: around the hull of the foreground lie skull, scalp and their halo, darker than any threshold."""


class GhostPower(NamedTuple):
    """Excess of squared signal of air where ghosts lie, in squared signal of the foreground.

    ``likeness`` is the correlation of the air with what would lie there of a ghost; None where there is hardly any.
    """

    share: float
    likeness: float | None = 1.0


class GhostSignal(NamedTuple):
    """Sampled signal of a slice, and the excess brightness of air where ghosts lie; None if it cannot be measured."""

    sampled: SampledSignal
    excess: float | None


def ghost_power(plane: MrSlice, axis: int, air: Mask | None = None) -> float:
    """Excess of squared signal half a field away; NaN where there is too little air to compare.

    What lies half a field away in the other direction, that of frequency, is taken off: halo and scalp lie in both.

    >>> image = np.zeros((64, 64), np.float32); image[22:42, 16:48] = 100.0
    >>> patient = image > 0
    >>> near = cv2.dilate(patient.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    >>> ghosted = image + np.float32(0.05) * np.roll(image, 32, axis=0)
    >>> round(ghost_power(MrSlice(ghosted, patient, near), 0), 4)
    0.0025
    """
    air = air_around(plane) if air is None else air
    sources = np.where(plane.patient, plane.values, np.float32(0.0))
    along, across = _copied(sources, axis), _copied(sources, 1 - axis)
    ghosts, beside = along > 0.0, across > 0.0
    rest = air & ~_widened(ghosts | beside)
    if np.count_nonzero(rest) < MIN_AIR_PX:
        if not plane.is_whole:
            return math.nan  # what is left beside the edge of a circle is no sample of the air
        return _excess(plane.values, along, air & ghosts, air & ~_widened(ghosts))
    power = _excess(plane.values, along, air & ghosts, rest)
    control = _excess(plane.values, across, air & beside & ~_widened(ghosts), rest)
    return power - max(0.0, control) if math.isfinite(control) else power


def air_around(plane: MrSlice, around: Mask | None = None) -> Mask:
    """What is far enough from the patient and from the border; ``around`` are the :func:`surroundings`."""
    inside = np.zeros(plane.patient.shape, bool)
    inside[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX] = True
    return inside & ~plane.near & ~(surroundings(plane.patient) if around is None else around)


def around(view: SliceView) -> Mask:
    """The :func:`surroundings` of the patient on a slice that shows one."""
    plane = view.once(mr_slice)
    return np.ones(view.values.shape, bool) if plane is None else surroundings(plane.patient)


def likeness(plane: MrSlice, axis: int, air: Mask) -> float:
    """Correlation of the air with the copies of the patient that ghosts of half a field would be; 0 without any.

    >>> image = np.full((64, 64), 1.0, np.float32); image[22:42, 16:48] = 100.0
    >>> patient = image > 50.0
    >>> near = cv2.dilate(patient.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    >>> ghosted, shaded = image + np.float32(0.05) * np.roll(image, 32, 0), image * np.linspace(1.0, 3.0, 64)[None]
    >>> planes = [MrSlice(one.astype(np.float32), patient, near) for one in (ghosted, shaded)]
    >>> [likeness(plane, 0, air_around(plane)) > 0.5 for plane in planes]
    [True, False]
    """
    copies = _copied(np.where(plane.patient, plane.values, np.float32(0.0)), axis)
    if np.count_nonzero(air & (copies > 0.0)) < MIN_AIR_PX:
        return 0.0
    bright = np.float32(np.percentile(plane.values[air], BRIGHT_PERCENTILE))
    of_air, of_copies = (_detail(one, air) for one in (np.minimum(plane.values, bright), copies))
    return float((of_air * of_copies).sum() / max(float(np.sqrt((of_air**2).sum() * (of_copies**2).sum())), 1e-9))


def _detail(values: Values, air: Mask) -> Values:
    """What of the values in air differs from their mean around."""
    side = 2 * (max(values.shape) // (2 * DETAIL_PARTS)) + 1
    weight = cv2.blur(air.astype(np.float32), (side, side))
    mean = cv2.blur(np.where(air, values, np.float32(0.0)), (side, side)) / np.maximum(weight, np.float32(1e-6))
    return np.asarray(values[air] - mean[air], np.float32)


def surroundings(patient: Mask) -> Mask:
    """The hull of the foreground without single pixels, filled, with what lies around a head.

    >>> patient = np.zeros((100, 100), bool); patient[30:70, 30:70] = True; patient[45:55, 45:55] = False
    >>> around = surroundings(patient)
    >>> bool(around[50, 50]), bool(around[24, 50]), bool(around[20, 50])
    (True, True, False)
    """
    filled = np.zeros(patient.shape, np.uint8)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(patient.astype(np.uint8), connectivity=8)
    if count < 2:
        return filled > 0
    largest = (labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, [cv2.convexHull(contours[0])], -1, 1, -1)
    margin = max(2, round(SCALP_SHARE * max(patient.shape)))
    around: Mask = cv2.dilate(filled, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2)) > 0
    return around


def _copied(sources: Values, axis: int) -> Values:
    distance = sources.shape[axis] // 2
    return np.maximum(np.roll(sources, distance, axis), np.roll(sources, -distance, axis))


def _widened(mask: Mask) -> Mask:
    wide: Mask = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return wide


def _excess(values: Values, copies: Values, hit: Mask, rest: Mask) -> float:
    """The excess of the squared signal of ``hit`` over ``rest``, as a share of the copied signal."""
    if np.count_nonzero(hit) < MIN_AIR_PX or np.count_nonzero(rest) < MIN_AIR_PX:
        return math.nan
    level = _around(values, rest)
    hit = hit & np.isfinite(level)
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


def _leaves_field(view: SliceView) -> str:
    return why_left(view, 1.0)  # a strong ghost is no body at the ends of the field


def _power(view: SliceView) -> GhostPower | None:
    plane, phase_columns = view.once(square_slice), view.header.phase_columns
    if plane is None or phase_columns is None or min(plane.patient.shape) <= 2 * EDGE_PX:
        return None
    is_square = plane is view.once(mr_slice)
    axis, air = 0 if phase_columns else 1, air_around(plane, view.once(around) if is_square else None)
    share = ghost_power(plane, axis, air)
    is_bright = math.isfinite(share) and share > LEAST_SHARE
    return GhostPower(share, likeness(plane, axis, air) if is_bright else None) if math.isfinite(share) else None


def ghost_level(_: SeriesView | None, parts: Sequence[GhostPower]) -> float | None:
    """Ghosts of the usual slice, in percent; 0 if they are no picture of the patient.

    >>> ghost_level(None, [GhostPower(0.0025), GhostPower(0.0025), GhostPower(-0.1)])
    5.0
    >>> ghost_level(None, [GhostPower(0.0025, 0.03)])
    0.0
    """
    if not parts:
        return None
    share = float(np.median([one.share for one in parts]))
    alike = [one.likeness for one in parts if one.likeness is not None]
    if share > LEAST_SHARE and (not alike or float(np.median(alike)) < LEAST_LIKENESS):
        return 0.0
    return 100.0 * math.sqrt(max(0.0, share))


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


MR_GHOST = mr_measure(
    name="mr_ghost",
    unit="%",
    least_spread=0.2,
    scale=POSITIVE,
    label="Ghost level",
    summary="Signal of ghosts in air along the phase direction, per signal of what they copy.",
    definition="√((a² − b²) / s²) of the usual slice, a being the median of air where copies of the foreground by "
    "half of the field along the phase direction lie, b that of other air (of all, or of what lies around, if that is "
    "brighter), and s the median of what is copied; 0 where a is below b. What the same gives in the frequency "
    "direction is taken off. Air begins 7 % of the side beyond the filled hull of the foreground: scalp and halo are "
    "none. 0, too, where the air does not look like what it would copy (correlation below 0.09 of both without their "
    "means over a sixteenth of the side): shading and dark tissue are no ghosts. Squares, because signal and noise add "
    "so in magnitude images. After percent signal ghosting (ACR, limit 2.5 %) and Giannelli et al., JACMP 11, 2010.",
    validity="Series with air and In-plane Phase Encoding Direction; the air may not be blanked. Ghosts that lie on "
    "the body alone, and such by a third or less of the field, are not seen. Pixels that are no squares are made "
    "squares first.",
    tolerance="Ghosts of 3 to 10 %, signal 60 times the noise: within 5 %. Ghosts of phase errors come out lower. "
    "Without ghosts 0 to 0.5 on a drawn head with a scalp of 5 to 15 %.",
    agreement_share=0.05,
    proof="Drawn ghosts of 3 and 10 %.",
    decimals=1,
    rank=550,
    unless=_leaves_field,
    each=_power,
    take=ghost_level,
    along="alone",
    concern="Copies of the anatomy lie over it along the phase direction: movement, flow, or an unstable scanner. They "
    "can look like lesions or hide them.",
)
MR_GSR = mr_measure(
    name="mr_gsr",
    unit="1",
    least_spread=0.003,
    label="Ghost to signal ratio",
    summary="Signal of air half a field away along phase, over other air, per signal.",
    definition="(mean of air half a field away from the foreground along the phase direction − mean of other air) / "
    "median of the foreground, worst slice: MRIQC's ghost-to-signal ratio (Giannelli et al., JACMP 11, 2010).",
    validity="As `mr_ghost`; only ghosts by half of the field.",
    tolerance="Too low, because signal adds to noise by squares: 0.012 for a ghost of 3 %, 0.07 for one of 10 %, "
    "signal 60 times the noise. Repeated with other noise within 0.001.",
    agreement=0.001,
    proof="MRIQC's formula, written apart, in the regions of a drawn head.",
    decimals=3,
    rank=551,
    unless=_leaves_field,
    each=_ratio,
    take=ghost_to_signal,
)
