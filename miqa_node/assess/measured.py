"""Feeds packages that judge measurements instead of pixels, and says what each measurement did to the judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from miqa_node.domain.assessment import Measurement

INPUT = "measurements"
"""The graph's input, shape (1, F), in the order of the card."""
CONTRIBUTIONS = "contributions"
"""The graph's output, shape (1, C, F): logit of class c = its bias + the sum over its row."""


def measurement_vector(measurements: Iterable[Measurement], names: Sequence[str]) -> NDArray[np.float32]:
    """The named measurements in order, NaN where one could not be taken."""
    taken: Mapping[str, float] = {m.name: m.value for m in measurements}
    return np.array([taken.get(name, np.nan) for name in names], np.float32)
