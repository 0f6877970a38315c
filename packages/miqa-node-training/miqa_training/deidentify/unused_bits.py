"""Empties the bits of stored pixels that no value uses (PS3.5 8.1): retired overlays and anything else may lie there.

Bits above High Bit become those of the value: zero, or the sign bit of signed values. Bits below the value become zero.
A pixel that is padding by a value outside of Bits Stored stays padding.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from miqa_node.dicom.bytes.numbers import single_number
from miqa_node.dicom.pixels.codestream import precision_bits
from miqa_node.dicom.pixels.pixel_data import frames_of

WORD_BITS = (8, 16, 32, 64)
_OVERLAY_GROUPS = range(0x6000, 0x6020, 2)
_PIXEL_DATA, _BIT_POSITION = 0x7FE00010, 0x0102
Words = NDArray[Any]
"""Of an unsigned type of the size that is allocated for a value."""


def without_unused_bits(ds: FileDataset, uncompress: Callable[[bytes], bytes]) -> FileDataset:
    """The data set with these bits empty; itself if they are. What was compressed with such bits is uncompressed then.

    ``uncompress`` gives the same file uncompressed; it is asked only if a code stream has more bits than values.

    Raises
    ------
    ValueError
        Its bits are described as nothing could be stored, so nobody can say which are used.
    """
    allocated, stored = int(ds.BitsAllocated), int(ds.BitsStored)
    if stored == allocated:
        return ds
    if allocated not in WORD_BITS or not 0 < stored < allocated:
        raise ValueError(f"{stored} of {allocated} bits are stored")
    if not ds.file_meta.TransferSyntaxUID.is_compressed:
        _empty(ds)
        return ds
    bits = max((precision_bits(frame, allocated) for frame in frames_of(ds)), default=allocated)
    if bits <= stored:
        return ds
    plain = _with_all_bits(ds, bits, uncompress)
    return plain if _empty(plain) else ds


def _with_all_bits(ds: FileDataset, bits: int, uncompress: Callable[[bytes], bytes]) -> FileDataset:
    """The data set uncompressed; decoders clear bits that are not called stored, and nobody would know of them."""
    described, high, file = ds.BitsStored, ds.get("HighBit"), BytesIO()
    ds.BitsStored, ds.HighBit = bits, bits - 1
    try:
        pydicom.dcmwrite(file, ds)
    finally:
        ds.BitsStored, ds.HighBit = described, high
    plain = pydicom.dcmread(BytesIO(uncompress(file.getvalue())))
    plain.BitsStored, plain.HighBit = described, high
    return plain


def emptied(words: Words, bits_stored: int, high_bit: int, *, signed: bool) -> Words:
    """The words with nothing but their values.

    >>> emptied(np.array([0x8FFF, 0x0800], np.uint16), 12, 11, signed=False).tolist()
    [4095, 2048]
    >>> emptied(np.array([0x8FFF, 0x0800], np.uint16), 12, 11, signed=True).view(np.int16).tolist()
    [-1, -2048]
    """
    size = words.itemsize
    value = words << (8 * size - 1 - high_bit)
    value = value.view(f"i{size}") if signed else value
    return np.asarray((value >> (8 * size - bits_stored)) << (high_bit + 1 - bits_stored)).view(words.dtype)


def _empty(ds: FileDataset) -> bool:
    """Empty the unused bits of native pixels; False if they were empty."""
    size, order = int(ds.BitsAllocated) // 8, "<" if ds.file_meta.TransferSyntaxUID.is_little_endian else ">"
    data = ds.PixelData
    whole = len(data) - len(data) % size
    words = np.frombuffer(data[:whole], f"{order}u{size}").astype(f"u{size}") & ~_overlay_bits(ds, size)
    stored, signed = int(ds.BitsStored), ds.get("PixelRepresentation") == 1
    values = emptied(words, stored, _high_bit(ds), signed=signed)
    padding = _padding(ds, size, signed=signed)
    if padding is not None:
        values = _still_padding(ds, words, values, padding)
    changed = values.astype(f"{order}u{size}").tobytes() + data[whole:]
    if changed == data:
        return False
    ds.add_new(_PIXEL_DATA, ds["PixelData"].VR, changed)
    return True


def _high_bit(ds: FileDataset) -> int:
    """High Bit, if it can be true: else the value is in the lowest bits."""
    stored, high = int(ds.BitsStored), ds.get("HighBit")
    return int(high) if isinstance(high, int) and stored - 1 <= high < int(ds.BitsAllocated) else stored - 1


def _overlay_bits(ds: FileDataset, size: int) -> Any:
    """The bits that overlays without data of their own lie in (retired, PS3.3 2004 C.9.2)."""
    stored, high, bits = int(ds.BitsStored), _high_bit(ds), 0
    for group in _OVERLAY_GROUPS:
        position = ds.get((group, _BIT_POSITION))
        number = position.value if position is not None else None
        if isinstance(number, int) and 0 <= number < 8 * size and not high - stored < number <= high:
            bits |= 1 << number
    return np.array(bits, f"u{size}")


def _padding(ds: FileDataset, size: int, *, signed: bool) -> tuple[int, int, int] | None:
    """Pixel Padding Value, and the lowest and highest of its range (PS3.3 C.7.5.1.1.2); None if there is none."""
    value = single_number(ds, "PixelPaddingValue") if "PixelPaddingValue" in ds else None
    if value is None:
        return None
    limit = single_number(ds, "PixelPaddingRangeLimit") if "PixelPaddingRangeLimit" in ds else None
    lowest = -(1 << 8 * size - 1) if signed else 0
    # Some writers use the other sign.
    ends = [(int(one) - lowest) % (1 << 8 * size) + lowest for one in (value, limit) if one is not None]
    return ends[0], min(ends), max(ends)


def _still_padding(ds: FileDataset, words: Words, values: Words, padding: tuple[int, int, int]) -> Words:
    """Words that are padding, but whose values are not, get the unused bits of the padding value, or all its bits."""
    kind = f"{'i' if ds.get('PixelRepresentation') == 1 else 'u'}{words.itemsize}"
    value, low, high = (np.array(one, kind) for one in padding)
    word = value.view(words.dtype)

    def is_padding(those: Words) -> NDArray[np.bool_]:
        return np.asarray((those.view(kind) >= low) & (those.view(kind) <= high))

    stored, shift = int(ds.BitsStored), _high_bit(ds) + 1 - int(ds.BitsStored)
    used = np.array(((1 << stored) - 1) << shift, words.dtype)
    similar = (word & ~used) | (values & used)
    lost = is_padding(words) & ~is_padding(values)
    return np.where(lost, np.where(is_padding(similar), similar, word), values)
