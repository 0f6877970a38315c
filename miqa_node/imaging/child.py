"""What a child process does: it decodes a frame within its limits and writes the pixels where the node reads them.

The processes start with this module, so it imports no more than decoding needs: neither settings nor the node.
"""

from __future__ import annotations

import resource
import signal
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from miqa_node.imaging.encode import encode_frame
from miqa_node.imaging.frame import decode_frame
from miqa_node.imaging.uncompressed import uncompress

__all__ = ["Layout", "decode_to_file", "encode_frame", "limit_child", "uncompress"]


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read a frame from the transfer file: stored, display and, where there are any, colour and valid pixels."""

    shape: tuple[int, int]
    stored_dtype: str
    has_valid: bool
    has_colour: bool
    stored_range: tuple[int, int]
    spacing_mm: tuple[float, float] | None
    steps: tuple[str, ...]
    decoder: str
    frames: int


def decode_to_file(path: Path, frame: int, max_pixels: int, transfer: str) -> Layout:
    """Decode and write the pixels to the transfer file."""
    decoded = decode_frame(path, frame, max_pixels)
    with Path(transfer).open("r+b", buffering=0) as file:
        for pixels in (decoded.stored, decoded.display, decoded.colour, decoded.valid):
            if pixels is not None:
                np.ascontiguousarray(pixels).tofile(file)
    rows, columns = decoded.display.shape
    return Layout(
        shape=(rows, columns),
        stored_dtype=decoded.stored.dtype.str,
        has_valid=decoded.valid is not None,
        has_colour=decoded.colour is not None,
        stored_range=decoded.stored_range,
        spacing_mm=decoded.spacing_mm,
        steps=decoded.steps,
        decoder=decoded.decoder,
        frames=decoded.frames,
    )


def limit_child(memory_bytes: int) -> None:
    """Give this process its limits; Ctrl-C is for the node, which stops its children itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cv2.setNumThreads(1)
