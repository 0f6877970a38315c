"""Code of the child processes: decodes a frame within limits and writes the pixels to the transfer file.

The processes start with this module, so it imports only what decoding needs: neither settings nor the node.
"""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import cv2
import numpy as np

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.process import silence_libraries
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.dicom.pixels.encode import encode_frame
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.dicom.pixels.histogram import presentation_table
from miqa_node.runtime.workers.children import OpenFile

__all__ = [
    "Layout",
    "decode_here",
    "decode_sample",
    "decode_to_file",
    "encode_frame",
    "path_here",
    "set_up",
    "transfer_file",
    "uncompress",
    "use_one_thread",
    "write_pixels",
]


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a frame in the transfer file: stored, display and, if present, colour and valid pixels."""

    shape: tuple[int, int]
    stored_dtype: str
    has_valid: bool
    has_colour: bool
    stored_range: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    steps: tuple[str, ...]
    decoder: str
    frame: int
    frames: int


def decode_to_file(path: Path, frame: int, max_pixels: int, transfer: OpenFile) -> Layout:
    """Decode and write the pixels to the transfer file."""
    return write_pixels(decode_here(path, frame, max_pixels), transfer)


def decode_sample(file: bytes, max_pixels: int) -> tuple[int, int]:
    """Decode a DICOM file given as bytes; return the shape of its pixels."""
    with transfer_file() as transfer:
        transfer.write(file)
        transfer.flush()
        return decode_here(path_here(transfer), 0, max_pixels).shape


def decode_here(path: Path, frame: int, max_pixels: int) -> Radiograph:
    """Decode in this process; errors as :func:`miqa_node.dicom.pixels.frame.decode_frame`."""
    decoded = decode_frame(path, frame, max_pixels)
    radiograph = Radiograph(
        stored=decoded.stored,
        display=decoded.display,
        stored_range=decoded.stored_range,
        spacing_mm=decoded.spacing_mm,
        valid=decoded.valid,
        colour=decoded.colour,
        steps=decoded.steps,
        decoder=decoded.decoder,
        frame=frame,
        frames=decoded.frames,
    )
    if decoded.table is not None:
        radiograph.remember(presentation_table, decoded.table)
    return radiograph


def write_pixels(radiograph: Radiograph, transfer: OpenFile) -> Layout:
    """Write the pixels to the transfer file."""
    with os.fdopen(transfer.number, "r+b", buffering=0, closefd=False) as file:
        for pixels in (radiograph.stored, radiograph.display, radiograph.colour, radiograph.valid):
            if pixels is not None:
                np.ascontiguousarray(pixels).tofile(file)
    return Layout(
        shape=radiograph.shape,
        stored_dtype=radiograph.stored.dtype.str,
        has_valid=radiograph.valid is not None,
        has_colour=radiograph.colour is not None,
        stored_range=radiograph.stored_range,
        spacing_mm=radiograph.spacing_mm,
        steps=radiograph.steps,
        decoder=radiograph.decoder,
        frame=radiograph.frame,
        frames=radiograph.frames,
    )


def transfer_file() -> IO[bytes]:
    """An anonymous file in memory; a temporary file, removed when closed, where the system has none."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("miqa-pixels", os.MFD_CLOEXEC), "w+b")
    return tempfile.NamedTemporaryFile(prefix="miqa-pixels-")


def path_here(transfer: IO[bytes]) -> Path:
    """A path of a transfer file, for functions of this process that read it by path."""
    return Path(f"/proc/self/fd/{transfer.fileno()}" if hasattr(os, "memfd_create") else transfer.name)


def set_up() -> None:
    """Set up this process as a child of a node. It ignores Ctrl-C, because the node stops its children itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silence_libraries()
    use_one_thread()


def use_one_thread() -> None:
    """Turn off OpenCV's threads: a forked child does not inherit its parent's threads and would wait for them."""
    cv2.setNumThreads(1)
