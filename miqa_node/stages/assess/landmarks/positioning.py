"""The patient's position from the points of one image: rotation, tilt, inspiration, distance to the edges.

All functions take points as :mod:`points` orders them, shape (12, 2), fractions of the image, NaN where absent.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.landmarks.points import NUMBER

Points = NDArray[np.float64]


def rotation_percent(points: Points) -> float:
    """Rotation about the patient's long axis, -100 to 100; NaN if a point is absent.

    Difference of the distances from the clavicles' medial ends to the spine over their sum; positive if the gap at
    the image's right is wider.

    >>> points = np.full((12, 2), np.nan)
    >>> points[[6, 7, 8]] = [[0.45, 0.2], [0.58, 0.2], [0.5, 0.2]]
    >>> round(rotation_percent(points), 1)
    23.1
    """
    spine = points[NUMBER["spine_clav"], 0]
    at_left, at_right = spine - points[NUMBER["clav_l"], 0], points[NUMBER["clav_r"], 0] - spine
    total = at_right + at_left  # distance between the two ends: positive unless the points were swapped
    if not total > 0.005:
        return math.nan
    return float(np.clip(100.0 * (at_right - at_left) / total, -100.0, 100.0))


def tilt_deg(points: Points, aspect: float) -> float:
    """Angle between the spine and the vertical of the image in degrees; positive if its top leans to the right.

    ``aspect`` is the image's width over its height. NaN if an end of the spine is absent.
    """
    top, low = points[NUMBER["spine_clav"]], points[NUMBER["spine_low"]]
    return math.degrees(math.atan2((top[0] - low[0]) * aspect, low[1] - top[1])) if low[1] > top[1] else math.nan


def lung_margins(points: Points) -> NDArray[np.float64]:
    """Distance from the lungs to each side of the image in the order of SIDES, as fractions of width or height.

    Negative if the lung ends outside the image. NaN if a required point is absent.
    """
    at = {name: points[index] for name, index in NUMBER.items()}
    bottom = max(at["cpa_l"][1], at["cpa_r"][1])
    return np.array([
        at["lat_l"][0], 1.0 - at["lat_r"][0], min(at["apex_l"][1], at["apex_r"][1]),
        1.0 - bottom if math.isfinite(at["cpa_l"][1] + at["cpa_r"][1]) else math.nan,
    ])  # fmt: skip


def dome_height(points: Points) -> float:
    """Height of the lung field at image left, apex to dome, over the inner width of the rib cage (both fractions)."""
    height = points[NUMBER["dome_l"], 1] - points[NUMBER["apex_l"], 1]
    width = points[NUMBER["lat_r"], 0] - points[NUMBER["lat_l"], 0]
    return float(height / width) if width > 0.05 else math.nan
