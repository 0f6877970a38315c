"""Draws anatomy for the pages: a dot and a short name at each point, the measured lines, the outlines of the lungs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.landmarks import Landmarks, landmark_kind, patient_side

LONG_SIDE_PX = 1024
"""Longer side of the layer in pixels; the page scales it to the image."""
LINES = (("spine_clav", "spine_low"), ("clav_l", "spine_clav"), ("spine_clav", "clav_r"), ("lat_l", "lat_r"))
SHORT = {"apex": "Apex", "cpa": "CP angle", "dome": "Dome", "clav": "Clavicle", "lat": "Ribs",
         "spine_clav": "Spine", "spine_low": "Spine"}  # fmt: skip
STRONG, WEAK = 255, 130
TEXT_SCALE = 0.45
MARKER_PX = 24
"""Half of the side of the square around a side marker."""


def landmark_layer(landmarks: Landmarks, shape: tuple[int, int], orientation: tuple[str, ...]) -> NDArray[np.uint8]:
    """A layer over an image of (rows, columns), like a map: 8 bits, 0 is transparent; names use the patient's sides."""
    scale = LONG_SIDE_PX / max(*shape, 1)
    rows, columns = (max(1, round(side * scale)) for side in shape)
    layer = np.zeros((rows, columns), np.uint8)
    at = {name: (round(x * columns), round(y * rows)) for name, (x, y) in landmarks.points.items()}
    for outline in landmarks.lungs.values():
        corners = np.rint(np.array(outline) * (columns, rows)).astype(np.int32)
        cv2.polylines(layer, [corners], isClosed=True, color=WEAK, thickness=1, lineType=cv2.LINE_AA)
    for marker in landmarks.markers:
        place = round(marker.x * columns), round(marker.y * rows)
        corner, opposite = ([n + move for n in place] for move in (-MARKER_PX, MARKER_PX))
        cv2.rectangle(layer, corner, opposite, STRONG, 1, cv2.LINE_AA)
        _write(layer, f"Marker {marker.letter}", (place[0] + MARKER_PX, place[1] - MARKER_PX))
    for one, other in LINES:
        if one in at and other in at:
            cv2.line(layer, at[one], at[other], WEAK, 1, cv2.LINE_AA)
    for name, place in at.items():
        cv2.circle(layer, place, 5, STRONG, -1, cv2.LINE_AA)
        _write(layer, _label(name, orientation), place)
    return layer


def _label(name: str, orientation: tuple[str, ...]) -> str:
    kind, side = landmark_kind(name)
    letter = patient_side(side, orientation)[:1].upper() if side else ""
    return f"{SHORT[kind]} {letter}".strip()


def _write(layer: NDArray[np.uint8], text: str, place: tuple[int, int]) -> None:
    """Draw the text beside a point, inside the layer."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, TEXT_SCALE, 1)
    x = place[0] + 9 if place[0] + 9 + width < layer.shape[1] else place[0] - 9 - width
    y = min(max(place[1] + height // 2, height), layer.shape[0] - 2)
    cv2.putText(layer, text, (max(x, 0), y), cv2.FONT_HERSHEY_SIMPLEX, TEXT_SCALE, STRONG, 1, cv2.LINE_AA)
