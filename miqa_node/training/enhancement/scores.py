"""Figures of one enhanced image against the original: fidelity, sharpness, what was taken away, lesion contrast."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from miqa_node.assess.enhance.plane import to_display
from miqa_node.assess.measure.plane import Plane
from miqa_node.assess.measure.sharpness import edge_widths_px
from miqa_node.domain.image import Radiograph
from miqa_node.training.degrade import Image

BEST_DB = 99.0
"""Of an image that did not change at all."""
DETAIL_SIGMA_PX = 3.0


def psnr_db(image: Image, original: Image) -> float:
    """Peak signal to noise ratio of display values, the peak being white."""
    error = float(np.mean((np.clip(image, 0.0, 1.0) - original) ** 2))
    return BEST_DB if error <= 0.0 else min(BEST_DB, -10.0 * math.log10(error))


def ssim(image: Image, original: Image) -> float:
    """Structural similarity (Wang, Bovik, Sheikh, Simoncelli, TIP 13, 2004): 11 × 11 Gaussian, range 1."""

    def mean(values: Image) -> Image:
        return cast("Image", cv2.GaussianBlur(values, (11, 11), 1.5))

    x, y = np.clip(image, 0.0, 1.0), original
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(similarity[5:-5, 5:-5].mean())


def edge_width_px(image: Image) -> float | None:
    """The measurement edge_width_10_90 of the node; None where it finds too few edges."""
    display = to_display(image)
    widths = edge_widths_px(Plane(Radiograph(display, display, (0, 65535), None)))
    return float(np.quantile(widths, 0.25)) if len(widths) >= 8 else None


def structure_taken(removed: Image, original: Image, noise: Image) -> float:
    """How much of what was removed is structure: its correlation with the original's detail, noise taken into account.

    ``removed`` is noisy minus enhanced, ``noise`` noisy minus original. Perfect denoising removes the noise and gives
    0; a plain blur takes edges along and gives a large positive value.
    """
    detail = original - cast("Image", cv2.GaussianBlur(original, (0, 0), DETAIL_SIGMA_PX))
    rest = removed - noise * np.float32(_slope(removed, noise))
    return _correlation(rest, detail) * float(rest.std() / max(1e-9, float(removed.std())))


def lesion_contrast(image: Image, box: tuple[int, int, int, int]) -> tuple[float, float]:
    """(contrast, contrast to noise) of the pixels of (x0, y0, x1, y1) against a ring around it, as wide as a half."""
    x0, y0, x1, y1 = box
    margin_x, margin_y = max(4, (x1 - x0) // 2), max(4, (y1 - y0) // 2)
    top, left = max(0, y0 - margin_y), max(0, x0 - margin_x)
    around = image[top : y1 + margin_y, left : x1 + margin_x]
    inside = np.zeros(around.shape, bool)
    inside[y0 - top : y1 - top, x0 - left : x1 - left] = True
    contrast = float(around[inside].mean() - around[~inside].mean())
    grain = around - cast("Image", cv2.GaussianBlur(around, (0, 0), 2.0))
    return contrast, abs(contrast) / max(1e-6, float(grain[inside].std()))


def _slope(values: Image, against: Image) -> float:
    a, b = values - values.mean(), against - against.mean()
    return float((a * b).sum() / max(1e-12, float((b * b).sum())))


def _correlation(a: Image, b: Image) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(1e-12, math.sqrt(float((a * a).sum()) * float((b * b).sum()))))
