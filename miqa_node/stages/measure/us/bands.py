"""Bands across an ultrasound picture: reverberation, most of all of a transducer in air."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import usual
from miqa_node.stages.measure.series_view import SeriesView, SliceView
from miqa_node.stages.measure.us.beams import BEAMS, SECTION, US, Levels, beams

INNER = slice(BEAMS // 8, -BEAMS // 8)


def bands(shown: Levels) -> float | None:
    """Share of the variance that the depth alone explains, in percent; None if nothing varies.

    >>> bands(np.repeat(np.arange(8.0)[:, None] % 4, BEAMS, axis=1))
    100.0
    """
    inner = shown[: len(shown) // 2, INNER]
    rows = np.isfinite(inner).mean(axis=1) > 0.5
    inner = inner[rows].astype(np.float64)
    if not inner.size:
        return None
    total = float(np.nanvar(inner))
    return 100.0 * float(np.nanvar(np.nanmean(inner, axis=1))) / total if total > 0.0 else None


def _part(view: SliceView) -> float | None:
    shown = view.once(beams)
    return None if shown is None else bands(shown)


def _usual(_: SeriesView, parts: Sequence[float]) -> float | None:
    return usual(parts)


US_BANDS = FramesMeasure(
    name="us_bands",
    unit="%",
    least_spread=1.0,
    label="Bands parallel to the transducer",
    code="US_BANDS",
    summary="Share of the near half's variance that is the same in all beams.",
    definition="Variance of the mean level of each depth over the variance of all pixels, in the near half of the "
    "inner three quarters of the beams. A transducer in air shows nothing but its own reverberations, which are the "
    "same in every beam: above 80 %. Own definition, after the uniformity image in air of routine quality control "
    "(AIUM; van Horssen et al., Ultrasound Med Biol 43, 2017).",
    validity="Ultrasound of tissue or air. Layers of muscle or fat raise it, and labels where the header describes no "
    "region.",
    tolerance="Air gives 91 to 100, drawn tissue less than 40, and real pictures of tissue 7 to 64.",
    section=SECTION,
    rank=740,
    modalities=US,
    each=_part,
    take=_usual,
)
