"""Whether a phantom is one piece of one material: a bottle in MR, a cylinder near water in CT."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .acr import dark_parts
from .arrays import Values
from .disc import Disc
from .localizer import bright_hull

WATER_HU = 150.0
"""Solid materials near water, and water itself, are so near to 0 HU."""
RINGS = 6
MOST_RING_HU = 60.0
"""Cupping of a cone beam, between the middle and the edge."""
CORE_SHARE = 0.85
INSERT_SHARE = 0.03
"""Side of the square whose mean is compared with that of its ring, as a share of the diameter."""
MOST_INSERT_HU = 30.0
MOST_DARK_SHARE = 0.01
LEAST_FILLED = 0.985
"""Of its hull that a bottle fills, seen from the side."""
TO_SIGMA = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""


def is_uniform_ct(images: Sequence[Values], discs: Sequence[Disc | None]) -> bool:
    """Whether most slices are a disc near water without inserts, beyond their noise."""
    pairs = [(image, disc) for image, disc in zip(images, discs, strict=True) if disc is not None]
    return bool(pairs) and sum(_is_even(image, disc) for image, disc in pairs) > len(images) / 2


def _is_even(image: Values, disc: Disc) -> bool:
    away = disc.distances_mm(image.shape) / disc.radius_mm
    ring = np.minimum((away / CORE_SHARE * RINGS).astype(int), RINGS)
    levels = [float(np.median(image[ring == one])) for one in range(RINGS)]
    if max(abs(one) for one in levels) > WATER_HU or max(levels) - min(levels) > MOST_RING_HU:
        return False
    side = max(3, round(2.0 * INSERT_SHARE * disc.radius_mm / disc.spacing.rows) | 1)
    smooth = cv2.blur(image.astype(np.float32), (side, side))
    core = away <= CORE_SHARE - INSERT_SHARE
    expected = np.interp(away[core], (np.arange(RINGS) + 0.5) / RINGS * CORE_SHARE, levels)
    off = np.abs(smooth[core] - expected)
    # Noise of a sharp kernel at a low dose: its own spread tells what an insert must exceed.
    noise = TO_SIGMA * float(np.median(off))
    return float(np.quantile(off, 0.999)) <= max(MOST_INSERT_HU, 5.0 * noise)


def is_uniform_mr(images: Sequence[Values], discs: Sequence[Disc | None]) -> bool:
    """Whether the slices in the middle have no dark part inside: in a disc, or in a shape with straight sides."""
    middle = range(len(images) // 4, max(len(images) // 4 + 1, -(-3 * len(images) // 4)))
    return all(_is_plain(images[place], discs[place]) for place in middle)


def _is_plain(image: Values, disc: Disc | None) -> bool:
    if disc is not None and disc.share_on_circle >= 0.7:
        inside = disc.within(image.shape, CORE_SHARE * disc.radius_mm)
        share = float(dark_parts(image, disc)[inside].mean())
        middle = disc.within(image.shape, 0.3 * disc.radius_mm)
        return share <= MOST_DARK_SHARE and float(np.median(image[middle])) > 0.2 * float(np.percentile(image, 99))
    outline = bright_hull(image, 0.25)
    if outline is None:
        return False
    parts, hull = outline
    return float(parts.sum()) >= LEAST_FILLED * cv2.contourArea(hull.astype(np.float32))
