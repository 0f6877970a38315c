"""What is bright on a slice: a threshold, the outline, and the sides of the field that it reaches.

Recognition of body parts and the measurements of MR share them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from miqa_node.stages.measure.series_view import Mask, Values

SAMPLES_PER_SLICE = 20_000
"""Maximum number of evenly spread pixels of each slice that medians use."""
BORDER_PX = 5
"""Narrower than this is no part that was not scanned, and so far its edge is smeared into the picture."""
LEAST_REACHED = 0.15
"""Share of a side on which the body is seen there; less may be a nose, or the halo of an ear."""
CUT_SIDES = 2
"""A neck leaves the field at one side."""


def reached_sides(body: Mask) -> int:
    """At how many sides of the field a body is seen, on so much of the side that it is more than a nose.

    >>> body = np.zeros((64, 64), bool); body[16:, 16:48] = True
    >>> reached_sides(body), reached_sides(body | body.T)
    (1, 2)
    """
    lines = (body[:BORDER_PX], body[-BORDER_PX:], body.T[:BORDER_PX], body.T[-BORDER_PX:])
    return sum(bool((one.mean(axis=0) > 0.5).mean() >= LEAST_REACHED) for one in lines)


def find_threshold(images: Sequence[Values]) -> float:
    """Otsu's threshold over all pixels of some slices (IEEE TSMC 9, 1979)."""
    values = np.concatenate([spread(np.maximum(image, 0.0).ravel()) for image in images])
    top = float(np.percentile(values, 99.5))
    if top <= 0.0:
        return 0.0
    scaled = np.clip(values / top * 255.0, 0, 255).astype(np.uint8).reshape(-1, 1)
    level, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_OTSU)
    return float(level) / 255.0 * top


def find_patient(image: Values, level: float) -> Mask:
    """Pixels brighter than the threshold, without isolated ones."""
    bright = (image > level).astype(np.uint8)
    patient: Mask = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return patient


def spread(values: Values, count: int = SAMPLES_PER_SLICE) -> Values:
    """Up to twice ``count`` evenly spread values."""
    flat = values.ravel()
    return flat[:: max(1, len(flat) // count)]
