"""Reads PNG and JPEG files as display-ready radiographs, to assess pictures without DICOM headers."""

from __future__ import annotations

import hashlib
import io
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.taxonomy.anatomy import STANDARD
from miqa_node.dicom.elements import EXPLICIT_LE
from miqa_node.dicom.pixels.decoders import version_of
from miqa_node.dicom.pixels.grayscale import WHITE
from miqa_node.errors import DataSetError, DecodeError

MAX_FILE_BYTES = 512 << 20
MAX_PICTURE_PIXELS = 200_000_000
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

_FORMATS = ("PNG", "JPEG")
_COLOUR_MODES = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LA", "1")
_UPRIGHT: dict[object, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""What shows the pixels as they are meant, by EXIF orientation (EXIF 2.32, 4.6.4, tag 274); 1 is upright."""


def is_picture(path: Path) -> bool:
    """Whether the file has the signature of a PNG or JPEG, whatever its name."""
    with path.open("rb") as file:
        head = file.read(8)
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def read_picture(path: Path, *, modality: str, body_part: str, view: str) -> tuple[Header, Radiograph]:
    """A PNG or JPEG, 8 or 16 bits, gray or colour, as a MONOCHROME2 image that needs no window.

    Colours are kept in addition to their luminance; transparent pixels become black. A picture whose EXIF data say so
    is turned, as every viewer turns it. UIDs are derived from the file's
    bytes (UUID5 of their SHA-256, below 2.25), so the same file is always the same instance.

    Raises
    ------
    DataSetError
        The file is not a PNG or JPEG.
    DecodeError
        It is damaged, or larger than 512 MiB or 200 million pixels.
    """
    data = _read_bytes(path)
    pixels = _decode(data)
    highest = 255 if pixels.dtype == np.uint8 else WHITE
    factor = np.uint16(WHITE // highest)
    colour, steps = None, [version_of("pillow")]
    gray: NDArray[Any] = pixels
    if pixels.ndim == 3:
        colour = pixels.astype(np.uint16) * factor
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        steps.append("colour converted to luminance (Rec. 601)")
    display: NDArray[np.uint16] = gray.astype(np.uint16) * factor
    digest = hashlib.sha256(data).hexdigest()
    rows, columns = gray.shape
    header = Header(
        sop_class_uid=SECONDARY_CAPTURE,
        sop_instance_uid=SopInstanceUid(_derived_uid(digest, "instance")),
        series_instance_uid=SeriesInstanceUid(_derived_uid(digest, "series")),
        study_instance_uid=StudyInstanceUid(_derived_uid(digest, "study")),
        transfer_syntax_uid=EXPLICIT_LE,
        modality=modality.upper(),
        body_part_examined=STANDARD.body_parts.canonical(body_part),
        view_position=STANDARD.views.canonical(view),
        photometric_interpretation="MONOCHROME2",
        presentation_intent_type="FOR PRESENTATION",
        rows=rows,
        columns=columns,
        number_of_frames=1,
        samples_per_pixel=1,
        bits_allocated=8 * gray.dtype.itemsize,
        bits_stored=8 * gray.dtype.itemsize,
        has_pixels=True,
    )
    radiograph = Radiograph(
        stored=gray,
        display=display,
        stored_range=(0, highest),
        spacing_mm=None,
        colour=colour,
        steps=tuple(steps),
        decoder=version_of("pillow"),
    )
    return header, radiograph


def picture_bytes(display: NDArray[np.uint16], suffix: str, *, deep: bool = False) -> bytes:
    """Display values (rows, columns) as a gray PNG (``.png``; 16 bits when ``deep``) or JPEG of high quality."""
    png = suffix.lower() == ".png"
    pixels = display if png and deep else (display >> 8).astype(np.uint8)
    options = [] if png else [cv2.IMWRITE_JPEG_QUALITY, 95]
    encoded, data = cv2.imencode(".png" if png else ".jpg", pixels, options)
    if not encoded:
        raise OSError(Phrase("the picture could not be written as {suffix}", suffix=suffix))
    return bytes(data.tobytes())


def _read_bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise DecodeError(
            "The picture is larger than {max_file_bytes} MiB. Export it smaller, or as DICOM.",
            max_file_bytes=MAX_FILE_BYTES >> 20,
        )
    return path.read_bytes()


def _decode(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Gray (rows, columns) or red, green and blue (rows, columns, 3) as uint8 or uint16."""
    image: Image.Image
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large pictures have a limit of the node's own, see below
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        if image.width * image.height > MAX_PICTURE_PIXELS:
            raise DecodeError(
                "{height} × {width} pixels exceed the limit of {max_picture_pixels} for pictures.",
                height=image.height,
                width=image.width,
                max_picture_pixels=MAX_PICTURE_PIXELS,
            )
        image.load()
    except UnidentifiedImageError as unknown:
        raise DataSetError("Neither DICOM nor PNG nor JPEG. Export the image in one of these formats.") from unknown
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as broken:
        raise DecodeError("The picture is damaged or incomplete. Export it again.") from broken
    turn = _UPRIGHT.get(_orientation(image))
    pixels = _pixels(image, data)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _orientation(image: Image.Image) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - damaged EXIF data raise whatever they like, and the pixels are whole
        return None


def _pixels(image: Image.Image, data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if image.mode in ("I;16", "I;16B", "I"):
        return np.clip(np.asarray(image, dtype=np.int64), 0, WHITE).astype(np.uint16)
    if image.mode == "L":
        return np.array(image, dtype=np.uint8)
    if image.mode not in _COLOUR_MODES:
        raise DecodeError("Pictures of mode {mode} are not read. Export it as gray or RGB.", mode=image.mode)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", opaque.size, (0, 0, 0, 255)), opaque)
        return np.array(image.convert("RGB"), dtype=np.uint8)
    if _is_deep_png(data):  # Pillow has no 16-bit colour; it has already checked that the file is complete
        deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if deep is not None:
            return np.ascontiguousarray(deep[..., 2::-1], dtype=np.uint16)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _is_deep_png(data: bytes) -> bool:
    """Whether a PNG has 16 bits per sample (IHDR, PNG specification 11.2.1)."""
    return data.startswith(b"\x89PNG") and data[24] == 16


def _derived_uid(digest: str, what: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) that is a function of the file's digest."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, f'sha256:{digest}/{what}').int}"
