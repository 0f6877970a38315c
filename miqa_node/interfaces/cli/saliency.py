"""Saliency maps as files beside an assessment: numbers for programs, a picture for people."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph, SaliencyMap
from miqa_node.core.files.whole_file import whole_file, write_whole

OPACITY = 0.6
"""Of the colour where the map is 1; the image stays visible below."""


def write_map(saliency: SaliencyMap, radiograph: Radiograph, stem: Path) -> tuple[Path, Path]:
    """Write ``<stem>.npy`` (float32 in [0, 1], shape of the source image) and ``<stem>.png``; their paths."""
    values = at_source_size(saliency.values, radiograph.shape)
    array, picture = Path(f"{stem}.npy"), Path(f"{stem}.png")
    with whole_file(array) as part, part.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    encoded, data = cv2.imencode(".png", overlay(radiograph.display, values))
    if not encoded:
        raise OSError(f"{picture.name} could not be written as PNG")
    write_whole(picture, data.tobytes())
    return array, picture


def at_source_size(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A map up-sampled bilinearly to ``shape`` (rows, columns), float32 in [0, 1]."""
    rows, columns = shape
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    fine = cv2.resize(finite, (columns, rows), interpolation=cv2.INTER_LINEAR)
    result: NDArray[np.float32] = np.clip(fine, 0.0, 1.0).astype(np.float32)
    return result


def overlay(display: NDArray[np.uint16], values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The image in gray with the map laid over it in colour; uint8, shape (rows, columns, 3), BGR."""
    gray = cv2.cvtColor((display >> 8).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    colour = cv2.applyColorMap((values * 255.0).astype(np.uint8), cv2.COLORMAP_TURBO)
    share = (OPACITY * values)[..., None]
    blended: NDArray[np.uint8] = (gray * (1.0 - share) + colour * share).round().astype(np.uint8)
    return blended
