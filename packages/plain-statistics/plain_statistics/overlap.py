"""How well two masks of the same grid cover each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def dice(predicted: Mask, drawn: Mask) -> float:
    """2·|A ∩ B| / (|A| + |B|) (L. R. Dice, Ecology 26, 1945, 297–302); 0 when both are empty.

    >>> dice(np.array([True, True, False]), np.array([False, True, True]))
    0.5
    """
    total = int(predicted.sum()) + int(drawn.sum())
    return 2.0 * int((predicted & drawn).sum()) / total if total else 0.0


def iou(predicted: Mask, drawn: Mask) -> float:
    """|A ∩ B| / |A ∪ B|, the index of Jaccard; 0 when both are empty."""
    union = int((predicted | drawn).sum())
    return int((predicted & drawn).sum()) / union if union else 0.0
