"""Image processing gone wrong: lost local contrast, a wrong window, lossy compression, too few grey levels."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_node.degrade.physics import DonorMaterial, Image, Simulator, at_severity, clip, gaussian_blur

DETAIL_KEPT = (0.8, 0.6, 0.4, 0.25)
WINDOW_CUT = (0.08, 0.15, 0.25, 0.35)
"""Share of the display range that a wrong window cuts off at each end together."""
JPEG_QUALITY = (60, 30, 15, 8)
BITS = (6.0, 5.0, 4.0, 3.0)
DETAIL_MM = 12.0
"""Structures finer than about this count as detail."""


def contrast_processing(
    image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial
) -> Image:
    """One of four: I' = low-pass + c·(I - low-pass); wrong VOI; JPEG of low quality; few bits (SCIENCE.md §1).

    c is 0.8, 0.6, 0.4, 0.25; the window cuts 8 to 35 % of the range; quality 60, 30, 15, 8 (ITU-T T.81, libjpeg's
    scale); 6, 5, 4, 3 bits. Below severity 0.25 the result is mixed with the original.
    """
    kind = rng.integers(4)
    side = rng.uniform()
    if kind == 0:
        return _flatten(image, at_severity(severity, DETAIL_KEPT, nothing=1.0), pitch_mm)
    if kind == 1:
        return _wrong_window(image, at_severity(severity, WINDOW_CUT), side)
    coded = max(severity, 0.25)
    changed = _jpeg(image, at_severity(coded, JPEG_QUALITY)) if kind == 2 else _quantise(image, coded)
    share = np.float32(min(severity / 0.25, 1.0))
    return clip(image + share * (changed - image))


def _flatten(image: Image, detail_kept: float, pitch_mm: float) -> Image:
    """The low-pass is taken at a quarter of the size: its band holds nothing that this would lose."""
    small = cast("Image", cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    low = gaussian_blur(small, DETAIL_MM / (4.0 * pitch_mm))
    low = cast("Image", cv2.resize(low, image.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return clip(low + np.float32(detail_kept) * (image - low))


def _wrong_window(image: Image, cut: float, side: float) -> Image:
    """Window narrower by ``cut`` of the range, taken from the dark and the bright end as ``side`` divides it."""
    low = cut * side
    return clip((image - np.float32(low)) / np.float32(1.0 - cut))


def _jpeg(image: Image, quality: float) -> Image:
    coded = cv2.imencode(".jpg", np.rint(image * 255.0).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    return np.asarray(decoded, dtype=np.float32) / np.float32(255.0)


def _quantise(image: Image, severity: float) -> Image:
    steps = np.float32(2.0 ** at_severity(severity, BITS, nothing=8.0) - 1.0)
    return np.asarray(np.rint(image * steps) / steps, dtype=np.float32)


CONTRAST_PROCESSING = Simulator(contrast_processing, order=110)
