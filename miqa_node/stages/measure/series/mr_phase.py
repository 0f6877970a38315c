"""Artefacts along the phase direction of an MR series: ghosts at half the field of view, and fold-over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from miqa_node.stages.measure.base import SeriesMeasure
from miqa_node.stages.measure.series.mr_patient import (
    MR,
    SampledSignal,
    air_of,
    foreground_of,
    mr_slice,
    signal,
    threshold,
)
from miqa_node.stages.measure.series.whole import worst
from miqa_node.stages.measure.series_view import Mask, SeriesView, SliceView

SECTION = "CT and MR series"
EDGE_PX = 3
MIN_AIR_PX = 100


class GhostSignal(NamedTuple):
    """Sampled signal of a slice, and the excess brightness of air where ghosts lie; None if it cannot be measured."""

    sampled: SampledSignal
    excess: float | None


def _ends(view: SliceView) -> tuple[float, Mask] | None:
    """(percentage of both ends of the phase direction that the patient covers, those pixels)."""
    plane, phase_columns = view.once(mr_slice), view.header.phase_columns
    if plane is None or phase_columns is None:
        return None
    border = np.zeros(plane.patient.shape, bool)
    for end in (slice(0, EDGE_PX), slice(-EDGE_PX, None)):
        border[(end, slice(None)) if phase_columns else (slice(None), end)] = True
    cut = plane.patient & border
    return 100.0 * float(cut.sum()) / float(border.sum()), cut


def _wrap(view: SliceView) -> float | None:
    ends = view.once(_ends)
    return None if ends is None else ends[0]


def _wrap_mask(view: SliceView) -> Mask | None:
    ends = view.once(_ends)
    return ends[1] if ends is not None and ends[1].any() else None


def _ghost(view: SliceView) -> GhostSignal | None:
    plane, sampled = view.once(mr_slice), view.once(signal)
    if plane is None or sampled is None:
        return None
    if view.header.phase_columns is None:
        return GhostSignal(sampled, None)
    axis = 0 if view.header.phase_columns else 1
    ghost = np.roll(plane.patient, plane.patient.shape[axis] // 2, axis=axis) & ~plane.near
    rest = ~plane.near & ~ghost
    if ghost.sum() <= MIN_AIR_PX or rest.sum() <= MIN_AIR_PX:
        return GhostSignal(sampled, None)
    return GhostSignal(sampled, float(plane.values[ghost].mean() - plane.values[rest].mean()))


def ghost_share(_: SeriesView | None, parts: Sequence[GhostSignal]) -> float | None:
    """Ghosts of the worst slice, in percent of the median of the foreground.

    >>> sampled = SampledSignal(np.full(9, 200.0), np.full(9, 2.0))
    >>> ghost_share(None, [GhostSignal(sampled, 4.0), GhostSignal(sampled, 10.0)])
    5.0
    """
    excesses = [one.excess for one in parts if one.excess is not None]
    sampled = [one.sampled for one in parts]
    if not excesses or not len(air_of(sampled)):
        return None
    return 100.0 * float(np.max(excesses)) / float(np.median(foreground_of(sampled)))


MR_GHOST = SeriesMeasure(
    name="mr_ghost",
    unit="%",
    label="Ghost to signal ratio",
    code="MR_GHOST",
    summary="Signal of air half a field away along phase, over other air, per signal.",
    definition="Mean of air half a field away from the foreground along the phase direction minus that of other "
    "air, per median of the foreground, worst slice (after Giannelli et al., JACMP 11, 2010). Needs "
    "In-plane Phase Encoding Direction.",
    section=SECTION,
    rank=550,
    modalities=MR,
    each=_ghost,
    shared=(threshold,),
    take=ghost_share,
)
MR_WRAP = SeriesMeasure(
    name="mr_wrap",
    unit="%",
    label="Body at end of phase direction",
    code="MR_WRAP",
    summary="Largest share of the two ends of phase encoding with signal.",
    definition="Share of the first and last 3 lines of the phase direction that is foreground, on the worst slice.",
    section=SECTION,
    rank=560,
    modalities=MR,
    each=_wrap,
    shared=(threshold,),
    take=worst,
    mask=_wrap_mask,
    concern="The body reaches both ends of the phase direction, so it may fold over what is to be seen: widen the "
    "field of view, oversample or saturate.",
)
