"""Encapsulates the compressed pixels of results as fragments (PS3.5 A.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from miqa_node.dicom.pixels.encode import FrameEncoder


def add_encapsulated(
    dataset: Dataset, frames: Sequence[NDArray[Any]], transfer_syntax_uid: str, encode: FrameEncoder
) -> None:
    """Set Pixel Data to ``frames``, uint8 of shape (rows, columns) or (rows, columns, 3) in RGB, compressed.

    RLE and JPEG 2000 are lossless. JPEG baseline is lossy and for colour pictures; ``add_lossy_history`` records that.
    """
    fragments = [encode(frame, transfer_syntax_uid) for frame in frames]
    dataset.add_new("PixelData", "OB", encapsulate([fragment + b"\0" * (len(fragment) % 2) for fragment in fragments]))
    dataset["PixelData"].is_undefined_length = True
