"""Limits of a figure that was computed again for samples drawn with replacement (the bootstrap)."""

from __future__ import annotations

from collections.abc import Sequence

from .rates import wilson

EDGES = (2.5, 97.5)
"""Percentiles between which 95 % of the figures lie."""


def limits_of_draws(figures: Sequence[float], trials: int) -> tuple[float, float]:
    """95 % limits of a share, or an AUROC, by its figures in draws of a sample; NaN without figures.

    Draws hold nothing that the sample does not: of one in which all went well each draw says 1, and the limits would be
    1 and 1. So where they reach an end, or there is one trial, they go as far as Wilson's limit of ``trials`` that all
    went alike; independent trials are the patients, of an AUROC those of the side with fewer.

    >>> [round(limit, 3) for limit in limits_of_draws([1.0] * 400, 20)]
    [0.839, 1.0]
    >>> [round(limit, 3) for limit in limits_of_draws([0.0, 0.1, 0.1, 0.2], 20)]
    [0.008, 0.193]
    """
    import numpy as np  # noqa: PLC0415 - commands that only print rates do not load it

    if not len(figures):
        return float("nan"), float("nan")
    low, high = (float(edge) for edge in np.percentile(figures, EDGES))
    if trials and (high >= 1.0 or trials == 1):
        low = min(low, wilson(trials, trials)[0])
    if trials and (low <= 0.0 or trials == 1):
        high = max(high, wilson(0, trials)[1])
    return low, high
