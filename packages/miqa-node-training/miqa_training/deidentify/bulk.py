"""Bulk values that a copy keeps: those that make up its pixels, as long as their descriptors say, and nothing else.

Values of many bytes are searched by no one, so the rule is the other way round than for text: what is not known to be
part of the picture goes. Pixels themselves are written anew by :mod:`.streams.frames`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.pixels.processing import _expand_segmented_lut

from miqa_training.deidentify.colour_profiles import is_known

BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "OB or OW", "US or OW"})
DESCRIPTORS = {"LUTData": "LUTDescriptor"} | {
    f"{kind}{colour}PaletteColorLookupTableData": f"{colour}PaletteColorLookupTableDescriptor"
    for kind in ("", "Segmented")
    for colour in ("Red", "Green", "Blue", "Alpha")
}
"""Lookup tables, and what says how many entries of how many bits they have."""
CARRIERS = ("LUTData", "WaveformData")
"""An item that loses one of these says nothing any more, and goes with it."""
_PIXELS = frozenset({"PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"})
MOST_ENTRIES = 1 << 16


def may_stay(ds: Dataset, element: DataElement, depth: int) -> bool:
    """Whether a value is no bulk value, or one of the picture; ``depth`` is 0 outside of sequences."""
    if descriptor := DESCRIPTORS.get(element.keyword):
        return _fits(ds, element, ds.get(descriptor))
    if element.VR not in BULK:
        return True
    if element.keyword == "ICCProfile":
        return is_known(bytes(element.value or b""))
    return element.keyword in _PIXELS and depth == 0


def _fits(ds: Dataset, element: DataElement, descriptor: Any) -> bool:
    """Whether a table has the entries and the bits of its descriptor (PS3.3 C.11.1.1, C.7.6.3.1.5, C.7.6.3.1.6)."""
    with suppress(ValueError, TypeError, OverflowError, IndexError, RecursionError, MemoryError):
        entries, _, bits = (int(one) for one in descriptor)
        entries = entries % MOST_ENTRIES or MOST_ENTRIES
        values = _values(ds, element, entries, bits)
        return 0 < bits <= 16 and values.shape == (entries,) and values.min() >= 0 and int(values.max()) < 1 << bits
    return False


def _values(ds: Dataset, element: DataElement, entries: int, bits: int) -> Any:
    value = element.value
    if not isinstance(value, bytes):
        return np.atleast_1d(np.asarray(value))
    word = np.dtype(">u2" if ds.original_encoding[1] is False else "<u2")
    if element.keyword.startswith("Segmented"):
        code = "B" if bits == 8 else "H"
        words = np.frombuffer(value, np.uint8 if bits == 8 else word)
        return np.array(_expand_segmented_lut(tuple(words.tolist()), f"{word.str[0]}{len(words)}{code}"))
    if len(value) == entries + entries % 2:  # one byte each, whatever the descriptor says
        return np.frombuffer(value, np.uint8)[:entries]
    return np.frombuffer(value, word)
