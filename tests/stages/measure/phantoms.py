"""Synthetic radiographs with known properties, for tests of the measurements."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header, SeriesInstanceUid, SopInstanceUid, StudyInstanceUid

PITCH_MM = 0.15


def radiograph(
    values: NDArray[np.floating], *, spacing_mm: tuple[float, float] | None = (PITCH_MM, PITCH_MM), bits: int = 12,
    valid: NDArray[np.bool_] | None = None,
) -> Radiograph:  # fmt: skip
    """An image whose stored values are ``values``, rounded and clipped, shown linearly over all its bits."""
    highest = (1 << bits) - 1
    stored = np.clip(np.rint(values), 0, highest).astype(np.uint16)
    display = np.rint(stored * (65535.0 / highest)).astype(np.uint16)
    if valid is not None:
        display[~valid] = 0
    return Radiograph(stored=stored, display=display, stored_range=(0, highest), spacing_mm=spacing_mm, valid=valid)


def header(**changes: Any) -> Header:
    """A digital PA chest."""
    values: dict[str, Any] = {
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.1",
        "sop_instance_uid": SopInstanceUid("1.2.3"),
        "series_instance_uid": SeriesInstanceUid("1.2"),
        "study_instance_uid": StudyInstanceUid("1"),
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "modality": "DX",
        "body_part_examined": "CHEST",
        "view_position": "PA",
        "patient_orientation": ("L", "F"),
        "photometric_interpretation": "MONOCHROME2",
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "bits_allocated": 16,
        "bits_stored": 12,
        "rows": 512,
        "columns": 512,
        "pixel_spacing_mm": (PITCH_MM, PITCH_MM),
        "exposure_index": 400.0,
        "has_pixels": True,
        "has_voi": True,
    }
    return Header(**(values | changes))


def chest(rows: int = 512, columns: int = 512, noise: float = 8.0, seed: int = 1) -> NDArray[np.float64]:
    """Bright body with two dark lungs before a black background, values 0–4095, with white noise."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    y, x = y / rows, x / columns
    image = np.full((rows, columns), 100.0)
    body = ((x - 0.5) / 0.46) ** 4 + ((y - 0.6) / 0.56) ** 4 < 1
    image[body] = 2600
    for centre in (0.27, 0.73):
        image[((x - centre) / 0.15) ** 2 + ((y - 0.42) / 0.28) ** 2 < 1] = 1100
    image[(np.abs(x - 0.5) < 0.05) & body] = 3000
    image = cv2.GaussianBlur(image, (0, 0), 1.0)
    return np.asarray(image + np.random.default_rng(seed).normal(0, noise, image.shape))


def edges(sigma_px: float, size: int = 384) -> NDArray[np.float64]:
    """A slanted grid of bright squares of 128 pixels, blurred by a Gaussian of ``sigma_px``, supersampled."""
    y, x = np.mgrid[0 : 4 * size, 0 : 4 * size] / 4.0
    angle = np.deg2rad(5.0)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    squares = ((u // 128 + v // 128) % 2).astype(np.float32)
    blurred = cv2.GaussianBlur(squares, (0, 0), 4.0 * sigma_px) if sigma_px else squares
    small = cv2.resize(blurred, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(1000.0 + 2000.0 * small.astype(np.float64))
