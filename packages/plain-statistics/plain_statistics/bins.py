"""Numbers of any size counted in bins of 2 % relative width, so that counts of weeks and stations add up.

The idea of DDSketch (C. Masson, J. E. Rim, H. K. Lee, PVLDB 12 (2019) 2195–2205): the bin of a value is the rounded
logarithm of its size, so a quantile read from bins is right to 1 %, whatever the unit.
"""

from __future__ import annotations

import math

WIDTH = 1.02
SMALLEST = 1e-9
"""What is smaller counts as zero."""
_LOG_WIDTH = math.log(WIDTH)
_LIMIT = 10_000


def bin_of(value: float) -> int:
    """Number of the bin: 0 for zero, positive for positive values, larger for larger ones.

    >>> bin_of(0.0), bin_of(1.0) == -bin_of(-1.0), bin_of(10.0) - bin_of(1.0)
    (0, True, 116)
    """
    size = abs(value)
    if not size > SMALLEST:  # also excludes NaN
        return 0
    number = _LIMIT if math.isinf(size) else min(1 + int(math.log(size / SMALLEST) / _LOG_WIDTH), _LIMIT)
    return number if value > 0 else -number


def value_of(number: int) -> float:
    """The middle of a bin.

    >>> abs(value_of(bin_of(12.5)) / 12.5 - 1) < 0.011
    True
    """
    if number == 0:
        return 0.0
    size = SMALLEST * math.exp((abs(number) - 0.5) * _LOG_WIDTH)
    return size if number > 0 else -size
