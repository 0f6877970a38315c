"""Writes one image in every transfer syntax that an installed encoder can make."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_dtype
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

Pixels = NDArray[np.uint16]
NEAR = 2
LOSSY_METHODS = {
    JPEGBaseline8Bit: "ISO_10918_1", JPEGExtended12Bit: "ISO_10918_1", JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1", HTJ2K: "ISO_15444_15",
}  # fmt: skip
"""Lossy Image Compression Method of each lossy syntax (PS3.3 C.7.6.1.1.5.1)."""


@dataclass(frozen=True, slots=True)
class PhantomEncoding:
    """One transfer syntax; ``encode`` makes the codestream of a frame, None if pydicom writes the pixels itself."""

    syntax: UID
    encode: Callable[[Pixels], bytes] | None = None
    bits: int = 16
    """Maximum Bits Stored."""

    @property
    def lossless(self) -> bool:
        """Whether decoded pixels equal the originals."""
        return self.syntax not in LOSSY_METHODS


ENCODINGS = (
    PhantomEncoding(ImplicitVRLittleEndian),
    PhantomEncoding(ExplicitVRLittleEndian),
    PhantomEncoding(DeflatedExplicitVRLittleEndian),
    PhantomEncoding(ExplicitVRBigEndian),
    PhantomEncoding(RLELossless),
    PhantomEncoding(
        JPEGBaseline8Bit, lambda pixels: bytes(imagecodecs.jpeg8_encode(pixels.astype(np.uint8), level=95)), 8
    ),
    PhantomEncoding(
        JPEGExtended12Bit, lambda pixels: bytes(imagecodecs.jpeg_encode(pixels, level=95, bitspersample=12))
    ),
    PhantomEncoding(JPEGLossless, lambda pixels: bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=16))),
    PhantomEncoding(JPEGLosslessSV1, lambda pixels: bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=16))),
    PhantomEncoding(JPEGLSLossless, lambda pixels: bytes(imagecodecs.jpegls_encode(pixels))),
    PhantomEncoding(JPEGLSNearLossless, lambda pixels: bytes(imagecodecs.jpegls_encode(pixels, level=NEAR))),
    PhantomEncoding(
        JPEG2000Lossless, lambda p: bytes(imagecodecs.jpeg2k_encode(p, codecformat="j2k", reversible=True))
    ),
    PhantomEncoding(
        JPEG2000, lambda p: bytes(imagecodecs.jpeg2k_encode(p, level=60, codecformat="j2k", reversible=False))
    ),
    PhantomEncoding(HTJ2KLossless, lambda pixels: bytes(imagecodecs.htj2k_encode(pixels, reversible=True))),
)
"""imagecodecs' predictor of lossless JPEG is 1, so the two syntaxes 1.2.840.10008.1.2.4.57 and .70 share it."""


def encoded(ds: Dataset, encoding: PhantomEncoding) -> bytes:
    """The data set as a file in the transfer syntax; exceptions of an encoder are not caught."""
    done = deepcopy(ds)
    done.file_meta = _meta(done, encoding.syntax)
    if encoding.bits == 8:
        _to_8_bits(done)
    if encoding.encode is not None:
        pixels = np.frombuffer(done.PixelData, pixel_dtype(done)).reshape(done.Rows, done.Columns)
        done.PixelData = encapsulate([encoding.encode(pixels.astype(np.uint16))])
        done["PixelData"].VR = "OB"
        done["PixelData"].is_undefined_length = True
    elif encoding.syntax == RLELossless:
        done.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian  # the syntax before compression
        done.compress(RLELossless, generate_instance_uid=False)
    elif encoding.syntax == ExplicitVRBigEndian:
        done.PixelData = np.frombuffer(done.PixelData, "<u2").astype(">u2").tobytes()
    if encoding.syntax in LOSSY_METHODS:
        done.LossyImageCompression, done.LossyImageCompressionRatio = "01", "10"
        done.LossyImageCompressionMethod = LOSSY_METHODS[encoding.syntax]
    file = BytesIO()
    dcmwrite(file, done, enforce_file_format=True)
    return file.getvalue()


def _to_8_bits(ds: Dataset) -> None:
    values = np.frombuffer(ds.PixelData, "<u2") >> (ds.BitsStored - 8)
    ds.PixelData, ds.BitsAllocated, ds.BitsStored, ds.HighBit = values.astype(np.uint8).tobytes(), 8, 8, 7
    ds["PixelData"].VR = "OB"
    if "WindowWidth" in ds:
        ds.WindowCenter, ds.WindowWidth = "128", "256"


def _meta(ds: Dataset, syntax: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
