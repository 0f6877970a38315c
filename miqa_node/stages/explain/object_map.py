"""The graph's own evidence for an object, where it is a spot instead of a stripe.

Evidence for leads runs along them, and the highest place of a class map lies anywhere on the run; an electrode or a
button is a spot. What tells them apart is the curvature of the map: at a spot it falls in all directions, along a
stripe in one only (Lindeberg, Int. J. Computer Vision 30(2), 1998; Frangi et al., MICCAI 1998).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SCALE = 0.7
"""Gaussian σ in cells, before derivatives are taken: objects are a few cells wide."""


def object_map(class_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """(v² · κ)² of a class map (rows, columns), not below 0: v the smoothed map, κ its curvature where it falls least.

    >>> stripe_and_spot = np.zeros((20, 20), np.float32)
    >>> stripe_and_spot[4], stripe_and_spot[14, 9] = 1.0, 0.9
    >>> divmod(int(object_map(stripe_and_spot)[:, 2:-2].argmax()), 16)
    (14, 7)
    """
    smooth = cv2.GaussianBlur(class_map.astype(np.float32), (0, 0), SCALE)
    across, down, mixed = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((2, 0), (0, 2), (1, 1)))
    largest = (across + down + np.sqrt((across - down) ** 2 + 4.0 * mixed**2)) / 2.0
    return np.asarray((smooth**2 * np.maximum(-largest, 0.0)) ** 2, np.float32)
