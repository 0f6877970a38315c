"""Approximate position of the lungs, for clipping and for objects over the lung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_training.degrade.physics import Image

WORKING_PX = 96
USUAL = (0.12, 0.11, 0.88, 0.83)
"""Left, top, right, bottom of the lung field as fractions of a usual frontal chest radiograph."""
FARTHEST = (0.13, 0.12, 0.13, 0.12)
"""Maximum deviation of each edge from the usual position; estimates beyond it are limited to it."""
RECESS = 0.06
"""Distance that the recess behind the diaphragm extends below the dark part of the lung."""


@dataclass(frozen=True, slots=True)
class LungField:
    """Edges of the box around both lungs, in fractions of the image's width and height."""

    left: float
    top: float
    right: float
    bottom: float


def lung_field(image: Image) -> LungField:
    """The box around both lungs: dark regions inside the body at the usual place of lungs.

    Otsu's threshold of the central part separates lung from the rest; dark regions with long contact to the border are
    direct beam. The result is limited to the neighbourhood of the usual place; an accuracy of about 2 cm suffices.
    """
    small = cast("Image", cv2.resize(image, (WORKING_PX, WORKING_PX), interpolation=cv2.INTER_AREA))
    level = np.rint(cv2.GaussianBlur(small, (0, 0), 1.5) * 255.0).astype(np.uint8)
    n = WORKING_PX
    centre = np.ascontiguousarray(level[n // 8 : 3 * n // 4, n // 8 : -n // 8])
    threshold, _ = cv2.threshold(centre, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    dark = (level < threshold).astype(np.uint8)
    chosen = _lung_regions(dark)
    if chosen is None:
        return LungField(*USUAL)
    columns = np.flatnonzero(chosen.sum(0) >= 3)
    rows = np.flatnonzero(chosen.sum(1) >= 3)
    if columns.size == 0 or rows.size == 0:
        return LungField(*USUAL)
    field = (columns[0] / n, rows[0] / n, (columns[-1] + 1) / n, (rows[-1] + 1) / n + RECESS)
    edges = [float(np.clip(f, u - d, u + d)) for f, u, d in zip(field, USUAL, FARTHEST, strict=True)]
    return LungField(*edges)


def _lung_regions(dark: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Up to two of the largest dark regions with their centre inside the chest and little contact with the border."""
    n = dark.shape[0]
    count, labels, stats, centres = cv2.connectedComponentsWithStats(
        cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((3, 3)))
    )
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    candidates = []
    for label in range(1, count):
        area = int(stats[label, cv2.CC_STAT_AREA])
        x, y = centres[label] / n
        contact = int((border == label).sum())
        if area > 0.015 * n * n and 0.12 < x < 0.88 and 0.15 < y < 0.75 and contact < 0.35 * area**0.5:
            candidates.append((area, label))
    if not candidates:
        return None
    keep = [label for _, label in sorted(candidates, reverse=True)[:2]]
    return np.isin(labels, keep).astype(np.uint8)
