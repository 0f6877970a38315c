"""How many grey values an image skips: a comb-like histogram is a sign of processing that was applied twice."""

import numpy as np
from miqa_node.assess.measure.base import ImageMeasure
from miqa_node.assess.measure.view import ImageView

miqa_api = 1


def _skipped(view: ImageView) -> float:
    """The share, in percent.

    >>> SKIPPED_VALUES.of([[0, 1, 2, 4], [4, 4, 4, 4]])
    20.0
    """
    used = np.flatnonzero(view.display_histogram)
    span = int(used[-1]) - int(used[0]) + 1
    return 100.0 * (1.0 - len(used) / span)


SKIPPED_VALUES = ImageMeasure(
    name="skipped_values",
    unit="%",
    label="Skipped grey values",
    code="SKIPPED_VALUES",
    summary="Share of the grey values between the darkest and the brightest pixel that no pixel has.",
    definition="100·(1 − number of different values / (largest − smallest + 1)), of presentation values.",
    section="Range and exposure",
    take=_skipped,
)
