"""Dead elements of an ultrasound transducer: beams that are darker than their neighbours from the skin on."""

from __future__ import annotations

import cv2
import numpy as np

from miqa_node.libraries.plain_statistics.scales import PERCENT
from miqa_node.stages.measure.series_view import SliceView
from miqa_series.us.beams import (
    BEAMS,
    BLACK,
    DEPTHS,
    Levels,
    beams,
    mean_profile,
    sector,
    us_measure,
)

NEAR = slice(DEPTHS // 50, DEPTHS // 4)
"""Depths of the near field, which one element fills; farther away its neighbours take over."""
BESIDE = slice(4, 12)
"""How many beams away, on both sides, are those that a beam is compared with: wider shadows are anatomy."""
LEAST_LEVEL = 1.5 * BLACK
REACHED = 0.95
"""Share of the beams with echoes: with fewer the transducer has no contact, or these are no beams."""


def near_profile(shown: Levels) -> Levels | None:
    """Median level of each beam in the near field; None where that is dark or coloured, or the sector was not found."""
    near = shown[NEAR]
    if float(np.isfinite(near).mean(axis=0).min()) < 0.5:
        return None
    profile = np.asarray(np.nanmedian(near, axis=0), np.float32)
    reached = float((profile > BLACK).mean()) >= REACHED and float(np.median(profile)) > LEAST_LEVEL
    return profile if reached else None


def dropout(profile: Levels) -> float:
    """How far the darkest beam falls below the darker of its two sides, in percent.

    >>> beams_of = np.full(BEAMS, 80.0, np.float32)
    >>> beams_of[40:43] = 20.0
    >>> dropout(beams_of)
    75.0
    """
    smooth = cv2.blur(profile[None].astype(np.float32), (3, 1))[0]
    reach = BESIDE.stop - BESIDE.start
    windows = np.median(np.lib.stride_tricks.sliding_window_view(profile, reach), axis=1)
    middle = np.arange(BESIDE.stop, BEAMS - BESIDE.stop)
    left, right = windows[middle - BESIDE.stop], windows[middle + BESIDE.start + 1]
    fall = 1.0 - smooth[middle] / np.maximum(np.minimum(left, right), LEAST_LEVEL)
    return 100.0 * max(0.0, float(fall.max()))


def _part(view: SliceView) -> Levels | None:
    shown, fan = view.once(beams), view.series.once(sector)
    return None if shown is None or fan is None or fan.is_from_a_point else near_profile(shown)


US_DROPOUT = us_measure(
    name="us_dropout",
    unit="%",
    least_spread=1.0,
    scale=PERCENT,
    label="Darkest beam in the near field",
    summary="How much darker than its neighbours the darkest beam is near the transducer.",
    definition="Median level of each of 128 beams between 2 and 25 % of the depth, and of a clip the median of these "
    "over its frames; 1 minus the lowest mean of three neighbours, per the darker of the medians of the beams 4 to 11 "
    "to its left and to its right. Dead elements darken a stripe that begins at the transducer (Goodsitt et al., 1998; "
    "Hangiandreou et al., Ultrasound Med Biol 37, 2011).",
    validity="Clips: on a still ribs, gas and lost contact darken beams, too. Left out where one beam in twenty is "
    "black, and where the beams begin at a point: every element of a phased array is in every beam.",
    tolerance="Drawn beams at a fifth of their brightness give 75 to 79 in place of 80; at three fifths 25 to 37 in "
    "place of 40. Drawn tissue without them gives up to 45.",
    rank=730,
    each=_part,
    take=lambda _, parts: dropout(mean_profile(parts)) if parts else None,
)
