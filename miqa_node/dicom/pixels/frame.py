"""Decodes one frame of a stored object to pixels for all further steps; runs in a child process."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_color_lut

from miqa_node.dicom.pixels.codestream import mend_sequential_scan
from miqa_node.dicom.pixels.dataset import StoredImage, read_image
from miqa_node.dicom.pixels.decoders import CodecPlugin, Syntax, syntax_for, version_of
from miqa_node.dicom.pixels.grayscale import WHITE, find_padding, read_grayscale, render_with_table
from miqa_node.dicom.pixels.shutter import read_shutter
from miqa_node.errors import DecodeError, MiqaError, lacks_resources

_NUMBER_OF_FRAMES, _PIXEL_DATA = 0x00280008, 0x7FE00010
DAMAGED = (
    "The {syntax} pixel data cannot be decoded: they are damaged or contradict the header"
    " ({failures}). Send the object again, or uncompressed."
)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

AnyImage = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame; the fields are those of :class:`miqa_node.core.domain.image.Radiograph`.

    ``table`` is that of :func:`miqa_node.dicom.pixels.grayscale.render_with_table`.
    """

    stored: AnyImage
    display: NDArray[np.uint16]
    valid: NDArray[np.bool_] | None
    colour: NDArray[np.uint16] | None
    stored_range: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    steps: tuple[str, ...]
    decoder: str
    frames: int
    table: NDArray[np.uint16] | None = None


def decode_frame(path: Path, frame: int, max_pixels: int) -> Frame:
    """Decode and present frame ``frame``, counted from 0.

    Raises
    ------
    DecodeError
        The message gives a remedy and quotes nothing of the data set but its pixel description.
    """
    try:
        with warnings.catch_warnings():
            # The libraries warn about nearly every image; relevant deviations are checked and recorded in the steps.
            warnings.simplefilter("ignore")
            return _presented(read_image(path, max_pixels), frame)
    except (MiqaError, MemoryError):
        raise
    except Exception as error:  # values are parsed at their first use, and raise any error then
        if lacks_resources(error):
            raise
        if getattr(error, "code", None) == cv2.Error.StsNoMem:  # OpenCV's equivalent of MemoryError
            raise MemoryError from error
        raise DecodeError(
            "The description of the pixels cannot be read ({name}).", name=type(error).__name__
        ) from error


def _presented(image: StoredImage, frame: int) -> Frame:
    ds = image.ds
    frames = int(ds.get("NumberOfFrames") or 1)
    if not 0 <= frame < frames:
        raise DecodeError(
            "The object has {frames} frames; there is no frame number {frame}.", frames=frames, frame=frame + 1
        )
    raw, plugin = _decode(image, frame)
    decoder = version_of(plugin.distribution)
    steps = [decoder, *image.repairs]
    spacing_mm = image.spacing_mm
    if raw.ndim == 3 or ds.PhotometricInterpretation == "PALETTE COLOR":
        colour, highest = _colour(raw, ds, steps)
        gray = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY).astype(colour.dtype, copy=False)
        steps.append("colour converted to luminance (Rec. 601)")
        display, picture = _scale_to_white(gray, highest), _scale_to_white(colour, highest)
        inside = read_shutter(ds, frame, gray.shape, steps)
        if inside is not None:
            display[~inside], picture[~inside] = 0, 0
        return Frame(gray, display, inside, picture, (0, highest), spacing_mm, tuple(steps), decoder, frames)
    grayscale = read_grayscale(ds, frame)
    stored, stored_range = _used_bits(raw, ds, steps)
    valid = _both(_find_padding(raw, stored, grayscale.padding), read_shutter(ds, frame, stored.shape, steps))
    display, table = render_with_table(stored, grayscale, valid)
    steps.extend(grayscale.steps())
    return Frame(stored, display, valid, None, stored_range, spacing_mm, tuple(steps), decoder, frames, table)


def _decode(image: StoredImage, frame: int) -> tuple[AnyImage, CodecPlugin]:
    """(rows, columns) or (rows, columns, samples) of one frame, RGB if it is coloured, and the codec plug-in."""
    ds = image.ds
    syntax = syntax_for(ds.file_meta.TransferSyntaxUID)
    failures: list[str] = []
    source = _pixels_only(image, syntax, frame)
    options: dict[str, Any] = {} if ds.file_meta.TransferSyntaxUID.is_encapsulated else {"view_only": True}
    if not syntax.name.startswith(("JPEG 2000", "JPEG-LS", "HTJ2K")):
        options["correct_unused_bits"] = False  # padding is searched in the original bits; see _used_bits
    for plugin in syntax.plugins:
        try:
            pixels, _ = syntax.runner.as_array(source, index=0, decoding_plugin=plugin.label, **options)
        except BaseException as error:  # codecs raise arbitrary exceptions for damaged data
            if isinstance(error, MemoryError) or not _is_of_codec(error):
                raise
            failures.append(f"{version_of(plugin.distribution)}: {_first_sentence(error)}")
        else:
            return pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("=")), plugin
    raise DecodeError(DAMAGED, syntax=syntax.name, failures="; ".join(failures))


def _is_of_codec(error: BaseException) -> bool:
    """Whether the error may come from a codec; a panic of a Rust library is not an ``Exception``."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _pixels_only(image: StoredImage, syntax: Syntax, frame: int) -> Dataset:
    """A data set with only the description of the pixels (group 0028) and the pixels of one frame.

    So no message of a codec can quote patient data. An encapsulated frame is joined from its fragments, and repaired
    if possible.
    """
    ds = image.ds
    source = Dataset(ds.group_dataset(0x0028))
    source.file_meta = FileMetaDataset()
    source.file_meta.TransferSyntaxUID = syntax.runner.UID  # for a retired process, the UID of its substitute
    source.set_original_encoding(ds.original_encoding[0], ds.original_encoding[1])
    source[_NUMBER_OF_FRAMES] = DataElement(_NUMBER_OF_FRAMES, "IS", 1)  # a new element: the others belong to the image
    try:
        pixels = image.read_frame(frame)
    except ValueError as broken:
        raise DecodeError(DAMAGED, syntax=syntax.name, failures=_first_sentence(broken)) from broken
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        source.PixelData = encapsulate([mend_sequential_scan(pixels)])
        source["PixelData"].is_undefined_length = True
    else:
        vr = image.element.vr if image.element.vr in ("OB", "OW") else "OW" if int(ds.BitsAllocated) > 8 else "OB"
        source[_PIXEL_DATA] = DataElement(_PIXEL_DATA, vr, pixels)
    return source


def _find_padding(raw: AnyImage, stored: AnyImage, padding: tuple[int, int] | None) -> NDArray[np.bool_] | None:
    """True where a pixel belongs to the image; None if all do.

    The padding value may use all allocated bits. If a codec or an overlay changed the unused bits, it only matches
    after these bits are removed.
    """
    valid = find_padding(raw, padding)
    if stored is raw:
        return valid
    return _both(valid, find_padding(stored, padding))


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    return other if one is None else one if other is None else one & other


def _used_bits(raw: AnyImage, ds: Dataset, steps: list[str]) -> tuple[AnyImage, tuple[int, int]]:
    """Stored values without the bits that Bits Stored and High Bit leave unused, and their range (PS3.5 8.1)."""
    bits = min(int(ds.BitsStored), 8 * raw.dtype.itemsize)
    signed = raw.dtype.kind == "i"
    stored_range = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    shift = max(0, int(ds.get("HighBit") or bits - 1) - (bits - 1)) if int(ds.BitsAllocated) > 1 else 0
    if shift and shift + bits <= 8 * raw.dtype.itemsize:
        steps.append(f"shifted right by {shift} bits")
        raw = raw >> shift
    if raw.size and (int(raw.min()) < stored_range[0] or int(raw.max()) > stored_range[1]):
        unused = 8 * raw.dtype.itemsize - bits
        steps.append(f"{unused} unused high bits removed")
        raw = (raw << unused) >> unused
    if raw.dtype.itemsize > 2 and raw.size:
        fitting = next((t for t in (np.uint16, np.int16) if _fits(raw, t)), None)
        raw = raw if fitting is None else raw.astype(fitting)
    return raw, stored_range


def _fits(raw: AnyImage, dtype: type[np.integer]) -> bool:
    return int(raw.min()) >= np.iinfo(dtype).min and int(raw.max()) <= np.iinfo(dtype).max


def _colour(raw: AnyImage, ds: Dataset, steps: list[str]) -> tuple[NDArray[np.unsignedinteger], int]:
    """RGB of a colour image, uint8 or uint16, and the highest value of its bit depth."""
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        steps.append("palette applied")
        raw = apply_color_lut(raw, ds)
        # Entries of 8 bits belong in bytes (PS3.3 C.7.6.3.1.6), but some ultrasound devices write them in words.
        narrow = int(ds.RedPaletteColorLookupTableDescriptor[2]) == 8 and raw.max(initial=0) <= 0xFF
        bits = 8 if narrow else 8 * raw.dtype.itemsize
    else:
        bits = int(ds.BitsStored)
    if raw.dtype.itemsize > 2:
        raw, bits = (raw >> (bits - 16)).astype(np.uint16), 16
    return np.ascontiguousarray(raw[..., :3]), (1 << bits) - 1


def _scale_to_white(stored: NDArray[np.unsignedinteger], highest: int) -> NDArray[np.uint16]:
    table = np.arange(1 << 8 * stored.dtype.itemsize, dtype=np.float64) * (WHITE / highest)
    return cv2.LUT(stored, np.minimum(np.rint(table), WHITE).astype(np.uint16)).astype(np.uint16, copy=False)


def _first_sentence(error: BaseException) -> str:
    text = str(error).removeprefix("Unable to decode as exceptions were raised by all available plugins:").strip()
    text = _ADDRESS.sub("", text)  # the same fault gets the same report
    return text.splitlines()[0].split(" - ")[0][:200] if text else type(error).__name__
