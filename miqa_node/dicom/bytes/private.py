"""Numbers of private elements, whose VR a data set in implicit VR does not tell (PS3.5 7.8)."""

from __future__ import annotations

from math import isfinite

from pydicom import Dataset
from pydicom.multival import MultiValue

BLOCKS = range(0x10, 0x14)
"""Blocks in which makers' elements are looked for; scanners use the first."""


def tags_of(group: int, *elements: int) -> frozenset[int]:
    """The tags to read: the creators of the blocks, and the elements in each."""
    own = {group << 16 | block << 8 | element for block in BLOCKS for element in elements}
    return frozenset(own | {group << 16 | block for block in BLOCKS})


def private_numbers(ds: Dataset, group: int, creator: str, element: int) -> tuple[float, ...]:
    """The values, as text or in the form of their VR; empty if they are absent or no numbers."""
    for block in BLOCKS:
        named = group << 16 | block
        if named not in ds or str(ds[named].value).strip().upper() != creator.upper():
            continue
        element_there = ds.get(group << 16 | block << 8 | element)
        return () if element_there is None else _numbers(element_there.value)
    return ()


def _numbers(value: object) -> tuple[float, ...]:
    if isinstance(value, bytes):
        value = value.decode("latin-1").strip("\0 ").split("\\")
    every = value if isinstance(value, (list, tuple, MultiValue)) else (value,)
    try:
        floats = tuple(float(one) for one in every)
    except (TypeError, ValueError):
        return ()
    return floats if all(map(isfinite, floats)) else ()
