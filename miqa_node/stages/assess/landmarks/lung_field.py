"""The outline of each lung from the network's probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.landmarks import Outline

LUNG_FROM = 0.5
"""A place shows lung from this probability on."""
FINER = 4
"""Enlargement of the cells before they are outlined."""
SIMPLER_BY = 0.0025
"""Largest distance of an outline from the true one, as a share of the image."""
LEAST_SHARE = 0.01
"""Smallest share of the image that is reported as a lung."""
IN_IMAGE = ("left", "right")
"""Sides of the image, in the order of the network's output."""


def lung_outlines(lungs: NDArray[np.float64]) -> dict[str, Outline]:
    """The outline of the largest part of each lung, by side of the image; a lung that is not seen is absent.

    ``lungs`` (2, rows, columns) are probabilities, with cells that are stretched over the whole image.
    """
    outlines = {side: _outline(chance) for side, chance in zip(IN_IMAGE, lungs, strict=True)}
    return {side: outline for side, outline in outlines.items() if outline}


def lung_field_percent(outlines: Mapping[str, Outline]) -> float:
    """Share of the image's area inside the outlines, 0 to 100.

    >>> lung_field_percent({"left": ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5))})
    25.0
    """
    return 100.0 * sum(cv2.contourArea(np.array(outline, np.float32)) for outline in outlines.values())


def _outline(chance: NDArray[np.float64]) -> Outline:
    rows, columns = (FINER * side for side in chance.shape)
    fine = cv2.resize(chance.astype(np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR)
    contours, _ = cv2.findContours((fine >= LUNG_FROM).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea, default=None)
    if largest is None or cv2.contourArea(largest) < LEAST_SHARE * fine.size:
        return ()
    simple = cv2.approxPolyDP(largest, SIMPLER_BY * max(rows, columns), closed=True).reshape(-1, 2)
    return tuple((round((x + 0.5) / columns, 4), round((y + 0.5) / rows, 4)) for x, y in simple.tolist())
