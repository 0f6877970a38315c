"""How many different grey values an image uses, and how evenly it uses them."""

from __future__ import annotations

import numpy as np

from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.image.brightness import shares
from miqa_node.stages.measure.view import ImageView

BINS = 256


def _entropy(view: ImageView) -> float:
    """Shannon 1948, over 256 classes.

    >>> ENTROPY.of([[0, 20000], [40000, 65535]])
    2.0
    """
    classes = view.once(shares).reshape(BINS, -1).sum(axis=1)
    used = classes[classes > 0]
    return abs(float(-(used @ np.log2(used))))


ENTROPY = ImageMeasure(
    name="entropy",
    unit="bit",
    label="Entropy of grey values",
    summary="Shannon entropy of the histogram of presentation values.",
    definition="−Σ p·log₂ p over 256 classes of presentation values (Shannon 1948).",
    validity="Any image; noise and a wide use of the range raise it alike.",
    tolerance="Within 0.05 bit on ramps; repeated with other noise within 0.01 bit.",
    section="Range and exposure",
    rank=60,
    needs="pixels",
    take=_entropy,
)
