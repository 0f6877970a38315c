"""Turns stored pixel values into display values, through one table per image.

Modality LUT or rescale → VOI window, sigmoid or LUT → presentation shape or MONOCHROME1 → padding to black
(PS3.4 N.2) are composed once for all 65,536 possible stored values; the image then needs a single look-up
per pixel, however many steps there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from miqa_node.dicom.bytes.numbers import first_number, single_number

WHITE = 65535
CONTRADICTION = "Presentation LUT Shape contradicts Photometric Interpretation"
BEAM_INTENSITY_CLASSES = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{suffix}" for suffix in ("12.1", "12.1.1", "12.2", "12.2.1", "12.3")
)
"""X-ray angiography and radiofluoroscopy, enhanced and biplane: their Modality LUT leads back to the intensity of the
beam and is not for display (PS3.3 C.8.7.1.1.2)."""
DEPTHS = frozenset({8, 10, 12, 14})
"""Bits of the values that devices make."""
WHITE_SHARE = 0.95
"""A brightest entry above this share of a depth's largest value is meant as white."""
ROWS_AT_ONCE = 256
"""Rows per stripe for images deeper than 16 bits, computed without a table."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lut:
    """A look-up table of a data set: ``first`` is the input that maps to ``data[0]``, inputs beyond it are clipped."""

    first: int
    bits: int
    data: NDArray[np.uint16]

    def apply(self, values: Values) -> Values:
        """Output values for input ``values``; both float64, of any shape."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.data) - 1).astype(np.intp)
        return np.asarray(self.data[index], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class VoiWindow:
    """A VOI window; ``function`` is LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    center: float
    width: float
    function: str

    def apply(self, values: Values) -> Values:
        """Shares of white in [0, 1] for ``values``."""
        if self.function == "SIGMOID":
            return np.reciprocal(1.0 + np.exp(np.clip(-4.0 * (values - self.center) / self.width, -700.0, 700.0)))
        if self.function == "LINEAR":
            if self.width == 1.0:  # the limiting case of the standard: a threshold
                return (values > self.center - 0.5).astype(np.float64)
            shares = (values - (self.center - 0.5)) / (self.width - 1.0) + 0.5
        else:
            shares = (values - self.center) / self.width + 0.5
        return np.clip(shares, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Grayscale:
    """All grayscale steps that one data set specifies.

    ``modality`` is a LUT or (slope, intercept); ``voi`` is None if the data set has none; ``padding`` is the inclusive
    range of stored values that do not belong to the image.
    """

    modality: Lut | tuple[float, float]
    voi: Lut | VoiWindow | None
    inverted: bool
    padding: tuple[int, int] | None
    notes: tuple[str, ...] = ()

    def present(self, stored: Values, used_range: tuple[float, float]) -> NDArray[np.uint16]:
        """Presentation values 0–65,535 of ``stored`` values, without regard to padding.

        ``used_range`` is the range of valid stored values; it serves as the window if there is no VOI.
        """
        values = self._to_modality(stored)
        if self.voi is None:
            ends = self._to_modality(np.array(used_range, dtype=np.float64))
            low, high = float(ends.min()), float(ends.max())
            shares = np.clip((values - low) / (high - low), 0.0, 1.0) if high > low else np.zeros_like(values)
        elif isinstance(self.voi, VoiWindow):
            shares = self.voi.apply(values)
        else:
            shares = np.clip(self.voi.apply(values) / ((1 << self.voi.bits) - 1), 0.0, 1.0)
        if self.inverted:
            shares = 1.0 - shares
        return np.rint(shares * WHITE).astype(np.uint16)

    def _to_modality(self, stored: Values) -> Values:
        if isinstance(self.modality, Lut):
            return self.modality.apply(stored)
        slope, intercept = self.modality
        return stored * slope + intercept

    def steps(self) -> tuple[str, ...]:
        """The steps in order, in words."""
        if isinstance(self.modality, Lut):
            modality = "modality LUT"
        else:
            modality = "rescale {:g} {:+g}".format(*self.modality) if self.modality != (1.0, 0.0) else ""
        if isinstance(self.voi, Lut):
            voi = f"VOI LUT of {len(self.voi.data)} entries"
        elif isinstance(self.voi, VoiWindow):
            voi = f"VOI {self.voi.function} center {self.voi.center:g} width {self.voi.width:g}"
        else:
            voi = "no VOI: full used range"
        shape = "inverted to MONOCHROME2" if self.inverted else ""
        padding = "padding {}…{} to black".format(*self.padding) if self.padding else ""
        return tuple(step for step in (modality, *self.notes, voi, shape, padding) if step)


def read_grayscale(ds: Dataset, frame: int = 0) -> Grayscale:
    """The grayscale steps that a data set specifies at its top level or in the frame's functional groups.

    Of several windows or LUTs the first is used; a VOI LUT takes precedence over a window. Invalid values (a width
    below 1, an empty LUT) are ignored and mentioned in ``notes``.
    """
    notes: list[str] = []
    is_signed = ds.get("PixelRepresentation") == 1
    modality = _modality(ds, frame, notes, signed=is_signed)
    voi_source = _group(ds, frame, "FrameVOILUTSequence")
    white_is_low, shape = ds.get("PhotometricInterpretation") == "MONOCHROME1", ds.get("PresentationLUTShape")
    inverted = white_is_low or shape == "INVERSE"
    if shape in ("IDENTITY", "INVERSE") and white_is_low != (shape == "INVERSE"):
        notes.append(CONTRADICTION)
    return Grayscale(
        modality=modality,
        voi=_voi(voi_source, notes, signed=has_negative_output(ds, modality)),
        inverted=inverted,
        padding=_padding(ds, notes),
        notes=tuple(notes),
    )


def displays_modality(ds: Dataset) -> bool:
    """Whether the Modality LUT is part of the display."""
    return ds.get("SOPClassUID") not in BEAM_INTENSITY_CLASSES


def has_negative_output(ds: Dataset, modality: Lut | tuple[float, float]) -> bool:
    """Whether the modality's values, the input of the VOI LUT, can be negative (PS3.3 C.11.2.1.1)."""
    if isinstance(modality, Lut):
        return False
    slope, intercept = modality
    bits = _bits(ds, "BitsStored") or _bits(ds, "BitsAllocated") or 16
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if ds.get("PixelRepresentation") == 1 else (0, (1 << bits) - 1)
    return min(low * slope, high * slope) + intercept < 0


def as_signed(first: int) -> int:
    """The first input of a LUT, read as an unsigned short, as the intended signed short."""
    return first - (1 << 16) if first >= 1 << 15 else first


def render(
    stored: NDArray[np.integer], grayscale: Grayscale, valid: NDArray[np.bool_] | None = None
) -> NDArray[np.uint16]:
    """Presentation values of ``stored``, shape (rows, columns); pixels that are not ``valid`` are black.

    Any integer dtype; up to 16 bits through the table, deeper ones by computing each pixel.
    """
    return render_with_table(stored, grayscale, valid)[0]


def render_with_table(
    stored: NDArray[np.integer], grayscale: Grayscale, valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Presentation values, and their table by the bits of a stored value, read as an unsigned number, if there is one.

    See :func:`render`.
    """
    used = _used_range(stored, valid) if grayscale.voi is None else (0.0, 0.0)
    table = None
    if stored.dtype.itemsize <= 2:
        bits = 8 * stored.dtype.itemsize
        index = np.arange(1 << bits, dtype=f"u{stored.dtype.itemsize}")
        table = grayscale.present(index.view(stored.dtype).astype(np.float64), used)
        display = cv2.LUT(np.ascontiguousarray(stored).view(index.dtype), table).astype(np.uint16, copy=False)
    else:
        display = np.empty(stored.shape, np.uint16)
        for row in range(0, len(stored), ROWS_AT_ONCE):
            stripe = slice(row, row + ROWS_AT_ONCE)
            display[stripe] = grayscale.present(stored[stripe].astype(np.float64), used)
    if valid is not None:
        np.multiply(display, valid, out=display)
    return display, table


def find_padding(raw: NDArray[np.integer], padding: tuple[int, int] | None) -> NDArray[np.bool_] | None:
    """True where a pixel belongs to the image, None if all do; ``raw`` are stored values with their unused bits."""
    if padding is None:
        return None
    low, high = padding
    info = np.iinfo(raw.dtype)
    if high < info.min or low > info.max:
        return None
    valid = (raw < max(low, info.min)) | (raw > min(high, info.max))
    return None if valid.all() else valid


def _used_range(stored: NDArray[np.integer], valid: NDArray[np.bool_] | None) -> tuple[float, float]:
    if stored.dtype.itemsize <= 2:
        mask = None if valid is None else valid.view(np.uint8)
        low, high, _, _ = cv2.minMaxLoc(stored, mask)
        return float(low), float(high)
    values = stored if valid is None else stored[valid]
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def _group(ds: Dataset, frame: int, keyword: str) -> Dataset:
    """The item with the frame's transformation: per frame, shared, or the top level (PS3.3 C.7.6.16)."""
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    for groups in ([per_frame[frame]] if frame < len(per_frame) else [], shared[:1]):
        for item in groups:
            if item.get(keyword):
                return Dataset(item[keyword].value[0])
    return ds


def _modality(ds: Dataset, frame: int, notes: list[str], *, signed: bool) -> Lut | tuple[float, float]:
    if not displays_modality(ds):
        if "ModalityLUTSequence" in ds or "RescaleSlope" in ds:
            notes.append("modality LUT of beam intensity not displayed")
        return 1.0, 0.0
    ds = _group(ds, frame, "PixelValueTransformationSequence")
    if lut := _first_lut(ds, "ModalityLUTSequence", notes, signed=signed):
        return lut
    slope, intercept = first_number(ds, "RescaleSlope"), first_number(ds, "RescaleIntercept") or 0.0
    slope = 1.0 if slope is None else slope
    if slope == 0.0:
        notes.append("rescale slope 0 ignored")
        slope = 1.0
    return slope, intercept


def _voi(ds: Dataset, notes: list[str], *, signed: bool) -> Lut | VoiWindow | None:
    if lut := _first_lut(ds, "VOILUTSequence", notes, signed=signed):
        return _with_used_bits(lut, notes)
    center, width = first_number(ds, "WindowCenter"), first_number(ds, "WindowWidth")
    if center is None or width is None:
        return None
    function = str(ds.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        notes.append("unknown VOI LUT function taken as LINEAR")
        function = "LINEAR"
    if width < (1.0 if function == "LINEAR" else np.finfo(np.float64).tiny):
        notes.append("window width out of range ignored")
        return None
    return VoiWindow(center, width, function)


def _with_used_bits(lut: Lut, notes: list[str]) -> Lut:
    bits = used_bits(lut.data, lut.bits)
    if bits == lut.bits:
        return lut
    notes.append(f"VOI LUT declares {lut.bits} bits, its entries end at {bits}")
    return replace(lut, bits=bits)


def used_bits(entries: NDArray[np.integer], declared: int) -> int:
    """Bits of the output of a VOI LUT: fewer than declared if its brightest entry is the white of fewer bits.

    Some writers declare the 16 bits in which the entries are stored, and viewers go by the entries.
    """
    highest = int(entries.max())
    bits = highest.bit_length()
    return bits if bits in DEPTHS and bits < declared and highest >= WHITE_SHARE * ((1 << bits) - 1) else declared


def _first_lut(ds: Dataset, keyword: str, notes: list[str], *, signed: bool) -> Lut | None:
    items = ds.get(keyword) or []
    if not items:
        return None
    try:
        return _lut(items[0], signed=signed)
    except (AttributeError, TypeError, ValueError, ArithmeticError, IndexError):
        notes.append(f"{keyword} without usable data ignored")
        return None


def _lut(item: Dataset, *, signed: bool) -> Lut:
    """Parse LUT Descriptor and LUT Data: words, or bytes for entries of 8 bits (PS3.3 C.11.1.1.1).

    ``signed``: the input has negative values. Implicit VR does not tell whether the first input is negative.
    """
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    entries = entries or 1 << 16
    first = as_signed(first) if signed else first
    raw = item.LUTData
    if isinstance(raw, bytes):
        order = ">" if item.original_encoding[1] is False else "<"
        wide = len(raw) >= 2 * entries
        data = np.frombuffer(raw, dtype=f"{order}u2" if wide else "u1")
    else:
        data = np.asarray(raw)
    data = data[:entries].astype(np.uint16)
    if not len(data) or not 1 <= bits <= 16:
        raise ValueError("empty LUT")
    return Lut(first, bits, data)


_PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")


def _padding(ds: Dataset, notes: list[str]) -> tuple[int, int] | None:
    """The inclusive range of padding values (PS3.3 C.7.5.1.1.2), in either order of its two ends."""
    if ds.get("PixelPaddingValue") in (None, ""):
        return None
    bits = _bits(ds, "BitsAllocated") or 16
    lowest = -(1 << bits - 1) if ds.get("PixelRepresentation") == 1 else 0
    numbers = [single_number(ds, keyword) for keyword in _PADDING if keyword in ds]
    # Some writers use the other sign.
    ends = [(int(number) - lowest) % (1 << bits) + lowest for number in numbers if number is not None]
    if len(ends) < len(numbers):
        notes.append("unreadable pixel padding ignored")
        return None
    return min(ends), max(ends)


def _bits(ds: Dataset, keyword: str) -> int:
    """A number of bits; 0 if it is absent or invalid."""
    number = int(first_number(ds, keyword) or 0)
    return number if 0 < number <= 64 else 0
