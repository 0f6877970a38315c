"""Cuts long lists of values for statements: SQLite and PostgreSQL limit the number of parameters of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

BATCH = 500
"""Most values of one statement."""


def batches(values: Sequence[T], most: int = BATCH) -> Iterator[Sequence[T]]:
    """Parts of up to ``most`` values, in their order; none of no values.

    >>> list(batches("abcde", 2))
    ['ab', 'cd', 'e']
    """
    return (values[start : start + most] for start in range(0, len(values), most))
