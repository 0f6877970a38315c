"""Compresses single frames of results; the node runs it in child processes, so a crash affects only one image."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, SecondaryCaptureImageStorage, generate_uid

FrameEncoder = Callable[[NDArray[np.uint8], str], bytes]
"""Compresses one frame into a transfer syntax: :func:`encode_frame`, or the same in a child process."""

JPEG_QUALITY = 90

_ENCODER = threading.Lock()
"""OpenJPEG's encoder is not thread-safe: two threads crash the process with SIGSEGV."""


def encode_frame(frame: NDArray[np.uint8], transfer_syntax_uid: str) -> bytes:
    """A frame, (rows, columns) or (rows, columns, 3) in RGB, in RLE, lossless JPEG 2000 or JPEG baseline.

    Thread-safe, one frame at a time. The node calls :meth:`miqa_node.runtime.workers.pool.WorkerPool.encode` instead.
    """
    with _ENCODER:
        return _encode(frame, transfer_syntax_uid)


def _encode(frame: NDArray[np.uint8], transfer_syntax_uid: str) -> bytes:
    if UID(transfer_syntax_uid) == JPEGBaseline8Bit:
        out = io.BytesIO()
        Image.fromarray(frame).save(out, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:2", optimize=True)
        return out.getvalue()
    coloured = "YBR_RCT" if UID(transfer_syntax_uid) == JPEG2000Lossless else "RGB"
    layout: dict[str, Any] = {"planar_configuration": 0} if frame.ndim == 3 else {}
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
        photometric_interpretation=coloured if frame.ndim == 3 else "MONOCHROME2",
        **layout,
    )
    return encoded


def sample_image(encode: FrameEncoder) -> bytes:
    """A small JPEG 2000 image as a DICOM file, for the readiness check."""
    sample = Dataset()
    sample.SOPClassUID, sample.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    pixels = np.arange(64 * 64, dtype=np.uint32).astype(np.uint8).reshape(64, 64)
    return file_of(sample, pixels, encode)


def file_of(image: Dataset, pixels: NDArray[np.uint8], encode: FrameEncoder) -> bytes:
    """The DICOM file of a grey image with these pixels, compressed as lossless JPEG 2000."""
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    image.PixelData = encapsulate([encode(pixels, JPEG2000Lossless)])
    image["PixelData"].VR = "OB"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = JPEG2000Lossless
    out = io.BytesIO()
    image.save_as(out, enforce_file_format=True)
    return out.getvalue()
