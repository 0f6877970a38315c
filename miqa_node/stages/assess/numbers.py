"""Numbers that a network is given beside the pixels: what the normalisation removes, and what the header says of dose.

A window that is wide, dark or bright for the whole picture is invisible once the pixels are stretched between their
percentiles, and automatic ranging hides the dose.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.exposure import deviation_index, exposure_index
from miqa_node.core.domain.instance import Header

NumberName = Literal["displayed_span", "displayed_mean", "exposure_index", "deviation_index"]

WHITE = 65535.0
USUAL_INDEX = 250.0
"""Exposure index (IEC 62494-1) that a network sees as 0: that of an ordinary chest radiograph."""
LEAST_SPAN = 0.001
MOST = 2.0
"""Header numbers beyond this (a factor of 100 in dose) are as good as this: headers hold nonsense, too."""


@dataclass(frozen=True, slots=True)
class DisplayedRange:
    """Low and high percentile, and mean, of the valid pixels as displayed: 0 is black, 65,535 is white."""

    low: float
    high: float
    mean: float


def numbers_of(
    names: Sequence[NumberName], displayed: DisplayedRange, header: Header | None = None
) -> NDArray[np.float32]:
    """Shape (1, 2·N): the N numbers, 0 where one is unknown, then 1 for each that is known and 0 for others.

    ``displayed_mean`` is 0 to 1; ``displayed_span`` is log10 of the span, which is at most 1; ``exposure_index`` is
    log10(EI / 250), ``deviation_index`` a tenth of DI: both in powers of ten of the dose, within ± 2.

    >>> numbers_of(["displayed_span", "deviation_index"], DisplayedRange(0.0, 6553.5, 900.0)).tolist()
    [[-1.0, 0.0, 1.0, 0.0]]
    """
    values = [_NUMBERS[name](displayed, header) for name in names]
    return np.array([[*(value or 0.0 for value in values), *(value is not None for value in values)]], np.float32)


def _index(_: DisplayedRange, header: Header | None) -> float | None:
    index = exposure_index(header) if header is not None else None
    return None if index is None else _limited(log10(index / USUAL_INDEX))


def _deviation(_: DisplayedRange, header: Header | None) -> float | None:
    deviation = deviation_index(header) if header is not None else None
    return None if deviation is None else _limited(deviation / 10.0)


def _limited(decades: float) -> float:
    return max(-MOST, min(MOST, decades))


_NUMBERS: Mapping[NumberName, Callable[[DisplayedRange, Header | None], float | None]] = {
    "displayed_span": lambda displayed, _: log10(max((displayed.high - displayed.low) / WHITE, LEAST_SPAN)),
    "displayed_mean": lambda displayed, _: displayed.mean / WHITE,
    "exposure_index": _index,
    "deviation_index": _deviation,
}
