"""Figures of one enhanced image against the original: fidelity, sharpness, removed structure, lesion contrast."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from miqa_node.stages.assess.enhance.plane import to_display
from miqa_node.stages.measure.image.edge_width import edge_widths_px, profiles_across, rises, strongest_edges
from miqa_node.stages.measure.view import ImageView, view_of
from miqa_training.degrade import Image

DETAIL_SIGMA_PX = 3.0
FEWEST_EDGES = 8
CLEAR_CONTRAST = 0.1
"""Share of the display range: an edge that a reader sees and that grain does not produce."""
ENDS = 2
"""Samples beyond the 10 and 90 % points that still belong to an edge."""


def edge_width_px(image: Image) -> float | None:
    """The measurement edge_width_10_90 of the node; None where it finds too few edges."""
    widths = edge_widths_px(_plane(image))
    return float(np.quantile(widths, 0.25)) if len(widths) >= FEWEST_EDGES else None


class EdgeSlopes:
    """The slopes of an original's edges, for comparison at the same places in other images.

    Unlike a width measured anew in each image, this is 1 for an image with added noise only. A new search for edges
    finds narrower ones in noise, and wider ones when the original's own noise is removed.
    """

    def __init__(self, original: Image) -> None:
        plane = _plane(original)
        edges = strongest_edges(plane)
        profiles = profiles_across(plane, edges)
        rise = rises(profiles)
        clear = (rise.contrast >= CLEAR_CONTRAST * 255.0) & np.isfinite(rise.widths) & (rise.widths > 0)
        self._edges = tuple(values[clear] for values in edges)
        along = np.arange(profiles.shape[1]) - profiles.shape[1] // 2
        inside = (along >= -rise.before[clear, None] - ENDS) & (along <= rise.after[clear, None] + ENDS)
        self._slopes = np.where(inside, np.gradient(profiles[clear], axis=1), 0.0) if clear.any() else np.empty((0, 1))

    def kept(self, image: Image) -> float | None:
        """Median share of the slope that remains, by least squares over each edge; None if there are too few edges."""
        if len(self._slopes) < FEWEST_EDGES:
            return None
        slopes = np.gradient(profiles_across(_plane(image), self._edges), axis=1)
        return float(np.median((slopes * self._slopes).sum(1) / (self._slopes**2).sum(1)))


def structure_taken(removed: Image, original: Image, noise: Image) -> float:
    """How much of the removed part is structure: its correlation with the original's detail, corrected for noise.

    ``removed`` is noisy minus enhanced, ``noise`` noisy minus original. Perfect denoising removes the noise and gives
    0; a plain blur also removes edges and gives a large positive value.
    """
    detail = original - cast("Image", cv2.GaussianBlur(original, (0, 0), DETAIL_SIGMA_PX))
    rest = removed - noise * np.float32(_slope(removed, noise))
    return _correlation(rest, detail) * float(rest.std() / max(1e-9, float(removed.std())))


def lesion_contrast(image: Image, box: tuple[int, int, int, int]) -> tuple[float, float]:
    """(contrast, CNR) of the box (x0, y0, x1, y1) in pixels, against a surrounding ring of half its size."""
    x0, y0, x1, y1 = box
    margin_x, margin_y = max(4, (x1 - x0) // 2), max(4, (y1 - y0) // 2)
    top, left = max(0, y0 - margin_y), max(0, x0 - margin_x)
    around = image[top : y1 + margin_y, left : x1 + margin_x]
    inside = np.zeros(around.shape, bool)
    inside[y0 - top : y1 - top, x0 - left : x1 - left] = True
    contrast = float(around[inside].mean() - around[~inside].mean())
    grain = around - cast("Image", cv2.GaussianBlur(around, (0, 0), 2.0))
    return contrast, abs(contrast) / max(1e-6, float(grain[inside].std()))


def _plane(image: Image) -> ImageView:
    return view_of(to_display(image))


def _slope(values: Image, against: Image) -> float:
    a, b = values - values.mean(), against - against.mean()
    return float((a * b).sum() / max(1e-12, float((b * b).sum())))


def _correlation(a: Image, b: Image) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(1e-12, math.sqrt(float((a * a).sum()) * float((b * b).sum()))))
