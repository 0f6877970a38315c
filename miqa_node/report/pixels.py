"""Compresses the pixels of results and wraps them as fragments (PS3.5 A.4)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

JPEG_QUALITY = 90


def add_encapsulated(dataset: Dataset, frames: Sequence[NDArray[Any]], transfer_syntax_uid: str) -> None:
    """Set Pixel Data to ``frames``, uint8 of shape (rows, columns) or (rows, columns, 3) in RGB, compressed.

    RLE and JPEG 2000 lose nothing. JPEG baseline does, and is for pictures in colour; ``add_lossy`` says so.
    """
    encode = {RLELossless: _rle, JPEG2000Lossless: _jpeg_2000, JPEGBaseline8Bit: _jpeg}[UID(transfer_syntax_uid)]
    dataset.add_new("PixelData", "OB", encapsulate([_even(encode(frame)) for frame in frames]))
    dataset["PixelData"].is_undefined_length = True


def _jpeg(frame: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:2", optimize=True)
    return out.getvalue()


def _rle(frame: NDArray[np.uint8]) -> bytes:
    return _lossless(frame, RLELossless, "RGB" if frame.ndim == 3 else "MONOCHROME2")


def _jpeg_2000(frame: NDArray[np.uint8]) -> bytes:
    return _lossless(frame, JPEG2000Lossless, "YBR_RCT" if frame.ndim == 3 else "MONOCHROME2")


def _lossless(frame: NDArray[np.uint8], transfer_syntax_uid: str, photometric_interpretation: str) -> bytes:
    described: dict[str, Any] = {"planar_configuration": 0} if frame.ndim == 3 else {}
    encoded: bytes = get_encoder(transfer_syntax_uid).encode(
        np.ascontiguousarray(frame),
        encoding_plugin="pylibjpeg",
        rows=frame.shape[0],
        columns=frame.shape[1],
        samples_per_pixel=3 if frame.ndim == 3 else 1,
        number_of_frames=1,
        bits_allocated=8,
        bits_stored=8,
        pixel_representation=0,
        photometric_interpretation=photometric_interpretation,
        **described,
    )
    return encoded


def _even(fragment: bytes) -> bytes:
    return fragment + b"\0" * (len(fragment) % 2)
