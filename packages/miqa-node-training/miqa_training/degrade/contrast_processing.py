"""Image processing gone wrong: lost local contrast, a wrong window, lossy compression, too few grey levels."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from miqa_training.degrade.physics import DonorMaterial, Image, Simulator, at_severity, clip, gaussian_blur

DETAIL_KEPT = (0.8, 0.6, 0.4, 0.25)
WINDOW_CUT = (0.08, 0.15, 0.25, 0.35)
"""Share of the display range that a wrong window clips, both ends together."""
CLIPPED_SHARE = (0.06, 0.14, 0.28, 0.45)
"""Share of the body's pixels that become pure white (burnt out) or black (crushed)."""
JPEG_QUALITY = (60, 30, 15, 8)
BITS = (6.0, 5.0, 4.0, 3.0)
KINDS = (0.17, 0.15, 0.16, 0.16, 0.13, 0.1, 0.13)
"""Frequency of: lost detail, narrow window, burnt out, crushed, JPEG, wide window, few bits."""
DETAIL_MM = 12.0
"""Structures finer than about this size count as detail."""


def contrast_processing(
    image: Image, severity: float, rng: np.random.Generator, pitch_mm: float, _: DonorMaterial
) -> Image:
    """One of seven: lost detail; a window that is narrow, wide, burns out or crushes; JPEG of low quality; few bits.

    I' = low-pass + c·(I - low-pass) with c 0.8, 0.6, 0.4, 0.25; a narrow window, displaced or not, clips 8 to 35 % of
    the range; a wide one leaves as many grey levels as 6 to 3 bits have; burnt-out or crushed parts are 6 to 45 % of
    the body; JPEG quality 60, 30, 15, 8 (ITU-T T.81, libjpeg's scale); 6, 5, 4, 3 bits. Below severity 0.25 the result
    is mixed with the original. Source: SCIENCE.md §1.
    """
    kind = int(rng.choice(7, p=KINDS))
    side = rng.uniform()
    if kind == 0:
        return _flatten(image, at_severity(severity, DETAIL_KEPT, nothing=1.0), pitch_mm)
    if kind == 1:
        return _wrong_window(image, at_severity(severity, WINDOW_CUT), side)
    if kind in {2, 3}:
        return _clipped(image, at_severity(severity, CLIPPED_SHARE), bright=kind == 2)
    coded = max(severity, 0.25)
    if kind == 4:
        changed = _jpeg(image, at_severity(coded, JPEG_QUALITY))
    else:
        changed = _wide_window(image, coded, side) if kind == 5 else _quantise(image, coded)
    share = np.float32(min(severity / 0.25, 1.0))
    return clip(image + share * (changed - image))


def _flatten(image: Image, detail_kept: float, pitch_mm: float) -> Image:
    """The low-pass is computed at a quarter of the size, which loses nothing in its band."""
    small = cast("Image", cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    low = gaussian_blur(small, DETAIL_MM / (4.0 * pitch_mm))
    low = cast("Image", cv2.resize(low, image.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return clip(low + np.float32(detail_kept) * (image - low))


def _wrong_window(image: Image, cut: float, side: float) -> Image:
    """Window narrower by ``cut`` of the range; ``side`` divides the cut between the dark and the bright end."""
    low = cut * side
    return clip((image - np.float32(low)) / np.float32(1.0 - cut))


def _clipped(image: Image, share: float, *, bright: bool) -> Image:
    """The window displaced until ``share`` of the body, without the direct beam, is pure white or black."""
    sample = image[::2, ::2]
    darkest, brightest = (float(v) for v in np.quantile(sample, (0.002, 0.998)))
    body = sample[(sample > darkest + 0.04) & (sample < brightest - 0.01)]
    if body.size < 100:
        return image.copy()
    if bright:
        top = max(float(np.quantile(body, 1.0 - share)), darkest + 0.1)
        return clip(darkest + (image - np.float32(darkest)) * np.float32((1.0 - darkest) / (top - darkest)))
    floor = min(float(np.quantile(body, share)), brightest - 0.1)
    return clip((image - np.float32(floor)) * np.float32(brightest / (brightest - floor)))


def _wide_window(image: Image, severity: float, side: float) -> Image:
    """A window so wide that the picture uses few of the screen's 256 grey levels; ``side`` sets their position."""
    width = np.float32(2.0 ** (at_severity(severity, BITS, nothing=8.0) - 8.0))
    low = np.float32(side) * (np.float32(1.0) - width)
    return np.asarray(np.rint((low + width * image) * np.float32(255.0)) / np.float32(255.0), dtype=np.float32)


def _jpeg(image: Image, quality: float) -> Image:
    coded = cv2.imencode(".jpg", np.rint(image * 255.0).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, round(quality)])[1]
    decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    return np.asarray(decoded, dtype=np.float32) / np.float32(255.0)


def _quantise(image: Image, severity: float) -> Image:
    steps = np.float32(2.0 ** at_severity(severity, BITS, nothing=8.0) - 1.0)
    return np.asarray(np.rint(image * steps) / steps, dtype=np.float32)


CONTRAST_PROCESSING = Simulator(contrast_processing, order=110)
