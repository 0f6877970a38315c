"""Contrast as a viewer shows it: the used part of the grey scale, and the pure white and black shares.

Measured after the window stored with the image and before any stretch: models see images stretched between their
percentiles, so a window that uses only 2 % of the grey scale looks normal to them.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from miqa_node.dicom.pixels.histogram import histogram
from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import WHITE, ImageView

MIDDLE = (0.15, 0.85)
"""Middle rows and columns, treated as the body: collimation, markers and direct exposure lie mostly outside."""
LOW_SHARE, HIGH_SHARE = 0.05, 0.95
END_SHARE = 0.01
"""Within this share of the display range of white or black, an 8-bit viewer shows no structure."""


def middle_shares(view: ImageView) -> NDArray[np.float64]:
    """Share of the middle's valid pixels at each of the 65,536 presentation values; empty if there are none."""
    rows, columns = (slice(int(MIDDLE[0] * side), max(1, round(MIDDLE[1] * side))) for side in view.shape)
    counts = histogram(view.display[rows, columns], None if view.mask is None else view.mask[rows, columns])
    total = counts.sum()
    return counts / total if total else np.empty(0)


def _span(view: ImageView) -> float | None:
    """In percent of white.

    >>> DISPLAYED_CONTRAST.of([[0] * 10, [65535] * 10] * 5)
    100.0
    """
    shares = view.once(middle_shares)
    if not len(shares):
        return None
    low, high = np.searchsorted(np.cumsum(shares), (LOW_SHARE, HIGH_SHARE))
    return 100.0 * float(high - low) / WHITE


def _burnt_out(view: ImageView) -> float | None:
    """In percent of the pixels.

    >>> round(BURNT_OUT_SHARE.of([[0] * 10, [65535] * 10] * 5), 1)
    57.1
    """
    shares = view.once(middle_shares)
    return 100.0 * float(shares[round((1.0 - END_SHARE) * WHITE) :].sum()) if len(shares) else None


def _crushed(view: ImageView) -> float | None:
    """In percent of the pixels.

    >>> round(CRUSHED_DARK_SHARE.of([[0] * 10, [65535] * 10] * 5), 1)
    42.9
    """
    shares = view.once(middle_shares)
    return 100.0 * float(shares[: round(END_SHARE * WHITE) + 1].sum()) if len(shares) else None


_contrast = partial(ImageMeasure, unit="%", section="Range and exposure", needs="pixels")
DISPLAYED_CONTRAST = _contrast(
    name="displayed_contrast",
    label="Displayed contrast",
    code="DISPLAY_CONTRAST",
    summary="Part of the grey scale that the middle of the image uses on a display.",
    definition="95th minus 5th percentile of presentation values in the middle (15–85 % of height and width), 100 is "
    "from black to white. Ordinary radiographs: 18 to 80 %.",
    validity="Images whose middle is the body. The stored window counts: one that is far too wide leaves a few "
    "percent.",
    tolerance="Within 0.2 on a ramp.",
    agreement=0.2,
    proof="A drawn ramp.",
    concern="With its stored window the image looks flat: small differences of density are hard to see. Adjust the "
    "window or process the image again.",
    rank=52,
    take=_span,
)
BURNT_OUT_SHARE = _contrast(
    name="burnt_out_share",
    label="Burnt out",
    code="BURNT_OUT",
    summary="Share of the middle of the image that is displayed as white, without structure.",
    definition="Pixels of the middle of `displayed_contrast` within 1 % of white.",
    validity="As `displayed_contrast`.",
    tolerance="Pixels are counted, so it is exact.",
    agreement=0.01,
    proof="White pixels of a drawn picture, counted.",
    concern="What lies in the white areas cannot be seen with the stored window. Adjust the window or process the "
    "image again; if it stays white, too little radiation arrived there.",
    rank=54,
    take=_burnt_out,
)
CRUSHED_DARK_SHARE = _contrast(
    name="crushed_dark_share",
    label="Crushed dark",
    code="CRUSHED_DARK",
    summary="Share of the middle of the image that is displayed as black, without structure.",
    definition="Pixels of the middle of `displayed_contrast` within 1 % of black.",
    validity="As `displayed_contrast`; on limbs it is mostly air beside the limb.",
    tolerance="Pixels are counted, so it is exact.",
    agreement=0.01,
    proof="Black pixels of a drawn picture, counted.",
    concern="What lies in the black areas cannot be seen with the stored window. Adjust the window or process the "
    "image again; if it stays black, the detector was saturated there.",
    rank=56,
    take=_crushed,
)
