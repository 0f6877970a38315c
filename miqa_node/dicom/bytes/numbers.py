"""Numbers of a data set's elements, whatever their sender wrote: text, nothing, or a number without an end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.multival import MultiValue


def all_numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an element; empty if it is absent, or one of them is not a finite number."""
    return _finite(_values(ds, keyword))


def numbers(ds: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """The values, if there are exactly ``count`` and all are finite numbers."""
    values = all_numbers(ds, keyword)
    return values if len(values) == count else None


def first_number(ds: Dataset, keyword: str) -> float | None:
    """The first value of an element; None if it is absent or no finite number."""
    return next(iter(_finite(_values(ds, keyword)[:1])), None)


def single_number(ds: Dataset, keyword: str) -> float | None:
    """The only value of an element; None if it is absent, has several, or is not a finite number."""
    values = numbers(ds, keyword, 1)
    return values[0] if values else None


def _values(ds: Dataset, keyword: str) -> Sequence[Any]:
    try:
        value = ds[keyword].value
    except Exception:  # noqa: BLE001 - pydicom reads a value at its first use, and raises many for what it cannot read
        return ()
    return value if isinstance(value, (MultiValue, list, tuple)) else (value,)


def _finite(values: Sequence[Any]) -> tuple[float, ...]:
    try:
        all_values = tuple(map(float, values))
    except (TypeError, ValueError, ArithmeticError):
        return ()
    return all_values if all(map(math.isfinite, all_values)) else ()
