"""How an image uses the range of presentation values: its mean and its spread."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import DEVIATION, PERCENT
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import WHITE, ImageView


def shares(view: ImageView) -> NDArray[np.float64]:
    """Share of the valid pixels at each of the 65,536 presentation values."""
    histogram = view.display_histogram
    return np.asarray(histogram / histogram.sum())


def _mean(view: ImageView) -> float:
    share = view.once(shares)
    return float((share * np.arange(len(share))).sum())  # a dot product of vectors would start the threads of the BLAS


def _brightness(view: ImageView) -> float:
    """In percent of white.

    >>> round(BRIGHTNESS.of([[0, 65535]]), 6)
    50.0
    """
    return 100.0 * view.once(_mean) / WHITE


def _contrast(view: ImageView) -> float:
    """In percent of white.

    >>> round(CONTRAST.of([[0, 65535]]), 6)
    50.0
    """
    share = view.once(shares)
    values = np.arange(len(share))
    return 100.0 * float(np.sqrt((share * np.square(values - view.once(_mean))).sum())) / WHITE


_level = partial(
    ImageMeasure,
    unit="%",
    is_learned_soon=True,
    tolerance="Within 0.1 on a ramp; repeated with other noise within 0.1.",
    section="Range and exposure",
    needs="pixels",
)
BRIGHTNESS = _level(
    name="brightness",
    least_spread=1.0,
    scale=PERCENT,
    label="Mean brightness",
    summary="Mean of the presentation values, 0 % black to 100 % white.",
    definition="Mean presentation value, 100 is white.",
    validity="Any image; the window and the processing decide it, not the exposure alone.",
    rank=40,
    take=_brightness,
)
CONTRAST = _level(
    name="contrast",
    least_spread=0.5,
    scale=DEVIATION,
    label="Contrast",
    code="CONTRAST_SD",
    summary="Standard deviation of the presentation values.",
    definition="Standard deviation of presentation values, in percent of white.",
    validity="Any image; as `brightness`.",
    phrase="contrast {percent} of white",
    phrase_rank=60,
    rank=50,
    take=_contrast,
)
