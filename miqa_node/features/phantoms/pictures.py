"""Draws values where they were read: the slice, and on it the regions of one or more values."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.features.phantoms.values import Point, Region

LEAST_SIDE = 768
"""Small slices are enlarged to this side, so that lines do not cover what they mark."""
COLOUR = (0, 200, 255)
"""Blue, green, red."""


def drawn(radiograph: Radiograph, regions: Sequence[Region]) -> NDArray[np.uint8]:
    """The slice as it is shown, (rows, columns, 3), with the outlines of the regions and their labels."""
    gray = (radiograph.display >> 8).astype(np.uint8)
    zoom = max(1, -(-LEAST_SIDE // max(gray.shape)))
    large = cv2.resize(gray, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    image = np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR), np.uint8)
    for region in regions:
        points = [_at(point, zoom) for point in region.points]
        if region.graphic_type == "CIRCLE":
            radius = round(float(np.hypot(*np.subtract(points[1], points[0]))))
            cv2.circle(image, points[0], radius, COLOUR, 1, cv2.LINE_AA)
        elif region.graphic_type == "POINT":
            cv2.drawMarker(image, points[0], COLOUR)
        else:
            cv2.polylines(image, [np.array(points, np.int32)], isClosed=False, color=COLOUR, lineType=cv2.LINE_AA)
        if region.label:
            cv2.putText(image, region.label, points[0], cv2.FONT_HERSHEY_SIMPLEX, 0.5, COLOUR, 1, cv2.LINE_AA)
    return image


def _at(point: Point, zoom: int) -> tuple[int, int]:
    """The middle of a pixel is that of the square that shows it."""
    return round((point[0] + 0.5) * zoom - 0.5), round((point[1] + 0.5) * zoom - 0.5)
