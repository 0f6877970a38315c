"""Exact binomial probabilities, on which every certificate of an image's verdict rests; no approximation, no scipy.

C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404–413.
"""

from __future__ import annotations

import math

BISECTIONS = 60
"""Halvings of [0, 1]: the limits are right to 1e-16 or so, and rounded to the safe side."""
MOST_LABELS = 10_000_000
"""Practical maximum of labels; beyond it a search reports that no number is enough."""


def binomial_cdf(failures: int, trials: int, probability: float) -> float:
    """P(X ≤ failures) for X ~ Binomial(trials, probability).

    >>> round(binomial_cdf(0, 59, 0.05), 4), binomial_cdf(3, 3, 0.5)
    (0.0485, 1.0)
    """
    if failures < 0 or trials < 0 or not 0.0 <= probability <= 1.0:
        raise ValueError(f"there is no Binomial({trials}, {probability}) with {failures} failures")
    if failures >= trials or probability == 0.0:
        return 1.0
    if probability == 1.0:
        return 0.0
    import numpy as np  # noqa: PLC0415 - commands that only print rates do not load it

    # log P(X = i + 1) = log P(X = i) + log((trials − i) / (i + 1)) + log(p / (1 − p))
    step = np.arange(failures, dtype=np.float64)
    odds = math.log(probability) - math.log1p(-probability)
    rises = np.log((trials - step) / (step + 1.0)) + odds
    logs = trials * math.log1p(-probability) + np.concatenate(([0.0], np.cumsum(rises)))
    peak = float(logs.max())
    return min(1.0, math.exp(peak) * math.fsum(np.exp(logs - peak)))


def upper_limit(failures: int, trials: int, delta: float) -> float:
    """Clopper–Pearson: the true share of failures lies above it with a probability of at most ``delta``.

    >>> round(upper_limit(0, 59, 0.05), 4), upper_limit(0, 0, 0.05)
    (0.0495, 1.0)
    """
    if failures >= trials:
        return 1.0
    low, high = failures / trials, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if binomial_cdf(failures, trials, middle) > delta:
            low = middle
        else:
            high = middle
    return high


def lower_limit(successes: int, trials: int, delta: float) -> float:
    """Clopper–Pearson: the true share of successes lies below it with a probability of at most ``delta``.

    >>> round(lower_limit(59, 59, 0.05), 4), lower_limit(0, 0, 0.05)
    (0.9505, 0.0)
    """
    return 1.0 - upper_limit(trials - successes, trials, delta)


def trials_needed(limit: float, delta: float, share: float = 0.0) -> int | None:
    """About how many trials show that failures are rarer than ``limit``, when a ``share`` of them fails.

    Exact for share 0, where it is ⌈ln δ / ln(1 − limit)⌉. None when no number is enough: the share is not below the
    limit, or so close that more than ``MOST_LABELS`` would be needed.

    >>> [trials_needed(limit, 0.05) for limit in (0.005, 0.01, 0.02, 0.05)]
    [598, 299, 149, 59]
    >>> trials_needed(0.05, 0.05, share=0.06) is None
    True
    """
    if share >= limit:
        return None

    def enough(trials: int) -> bool:
        return binomial_cdf(math.ceil(share * trials), trials, limit) <= delta

    high = 1
    while not enough(high):
        high *= 2
        if high > MOST_LABELS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
