"""Gain of an ultrasound picture: how bright its echoes are, and how much is white or black."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.plain_statistics.scales import PERCENT
from miqa_node.stages.measure.base import FramesMeasure
from miqa_node.stages.measure.frames import elements, usual_of
from miqa_node.stages.measure.series_view import SliceView
from miqa_series.us.beams import BLACK, Levels, beams, levels, tissue_box

WHITE = 250.0


LEAST_ECHOES = 0.1
"""Of the sector: with fewer pixels above black nothing is seen but words, or noise of a black picture."""


class Grey(NamedTuple):
    """Shares in percent: mean level of the echoes (None where there are hardly any), white pixels, black ones."""

    echoes: float | None
    white: float
    black: float


def grey(shown: Levels) -> Grey | None:
    """None where nothing is grey; levels go from 0 to 255.

    >>> grey(np.array([[0.0, 0.0, 255.0, 255.0, np.nan]], np.float32))
    Grey(echoes=100.0, white=50.0, black=50.0)
    >>> grey(np.zeros((8, 8), np.float32))
    Grey(echoes=None, white=0.0, black=100.0)
    """
    inside = shown[np.isfinite(shown)]
    if not inside.size:
        return None
    echoes = inside[inside > BLACK]
    mean = float(echoes.mean()) / 2.55 if echoes.size >= LEAST_ECHOES * inside.size else None
    return Grey(mean, 100.0 * float((inside >= WHITE).mean()), 100.0 * float((inside <= BLACK).mean()))


def frame_grey(view: SliceView) -> Grey | None:
    """Of the beams of a frame; of a black picture, which has none, of the part that the header describes."""
    shown = view.once(beams)
    if shown is None:
        top, bottom, left, right = tissue_box(view.series.once(elements), view.values.shape) or (0, None, 0, None)
        shown = view.once(levels)[top:bottom, left:right]
        if (shown > BLACK).any():
            return None
    return grey(shown)


def _part(view: SliceView) -> Grey | None:
    return view.once(frame_grey)


_measure = partial(FramesMeasure, section="Ultrasound", modalities=("US",), unit="%", scale=PERCENT, each=_part)
US_GAIN = _measure(
    name="us_gain",
    least_spread=1.0,
    label="Brightness of echoes",
    summary="Mean level of the echoes in the sector.",
    definition="Mean level of the sector's pixels above 3 % of white, which is the highest value that Bits Stored "
    "allows. Ordinary pictures lie between 12 and 35 %. Gain and compression change it; a window does not. Own "
    "definition.",
    validity="Sector of tissue; pictures of one preset can be compared. Compression changes it as gain does, a window "
    "does not. Left out where less than a tenth of the sector has echoes.",
    tolerance="A gain of 0.5 and 2 changes it by that factor within 5 % on drawn tissue.",
    agreement_share=0.05,
    proof="Drawn tissue, against the mean of what was drawn above black.",
    left_out=Phrase("Less than a tenth of the picture shows echoes."),
    rank=710,
    needs="difference",
    take=usual_of(lambda one: one.echoes),
)
US_WHITE_SHARE = _measure(
    name="us_white_share",
    least_spread=0.2,
    label="White pixels of the sector",
    code="US_WHITE",
    summary="Share of the sector that is white: gain too high.",
    definition="Sector's pixels at 98 % of white or above: echoes that the gain has cut off.",
    validity="As `us_gain`.",
    tolerance="Echoes are read between pixels along the beams, so single white ones count less: of drawn tissue with 7 "
    "and 38 % of white pixels it says 5.5 and 32.",
    rank=711,
    needs="pixels",
    take=usual_of(lambda one: one.white),
)
US_BLACK_SHARE = _measure(
    name="us_black_share",
    least_spread=1.0,
    label="Black pixels of the sector",
    code="US_BLACK",
    summary="Share of the sector without echoes.",
    definition="Sector's pixels at 3 % of white or below: fluid and shadows, gain too low, no contact, or more depth "
    "than the sound reaches.",
    validity="As `us_gain`; fluid, shadows and depth count alike.",
    tolerance="Within 1 of the black pixels of drawn tissue.",
    rank=712,
    needs="pixels",
    take=usual_of(lambda one: one.black),
)
