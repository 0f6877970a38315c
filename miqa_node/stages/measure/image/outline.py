"""The outline of the body on a small copy of the image: its symmetry, and whether it touches the border."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.measure.base import ImageMeasure
from miqa_node.stages.measure.view import LEVELS, ImageView

SMALLEST_SIDE = 32


def _symmetry(view: ImageView) -> float | None:
    """Pearson correlation with the mirror image.

    >>> round(LEFT_RIGHT_SYMMETRY.of(np.tile([0, 65535], (40, 20))), 6)
    -1.0
    """
    overview = view.overview
    mirrored = overview[:, ::-1]
    deviation = overview - overview.mean()
    power = float(np.square(deviation).sum())
    if power <= 0:
        return None
    symmetry = float((deviation * (mirrored - mirrored.mean())).sum()) / power
    return float(np.clip(symmetry, -1.0, 1.0))


def _border_contact(view: ImageView) -> float | None:
    """The body is everything brighter than Otsu's threshold (IEEE SMC 9, 1979) with its holes filled.

    >>> half = np.zeros((40, 40)); half[:, 20:] = 65535
    >>> round(BORDER_CONTACT.of(half))
    50
    """
    if view.overview.min() == view.overview.max():
        return None
    body = _body(view.overview)
    border = np.concatenate((body[0], body[-1], body[1:-1, 0], body[1:-1, -1]))
    return 100.0 * float(np.count_nonzero(border)) / border.size


def _body(overview: NDArray[np.float32]) -> NDArray[np.uint8]:
    """255 where the body is."""
    image = np.clip(overview, 0, LEVELS).astype(np.uint8)
    _, bright = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    contours, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.drawContours(np.zeros_like(bright), contours, -1, 255, cv2.FILLED), dtype=np.uint8)


_measure = partial(ImageMeasure, section="Position", least_side_px=SMALLEST_SIDE)
LEFT_RIGHT_SYMMETRY = _measure(
    name="left_right_symmetry",
    unit="1",
    label="Left-right symmetry",
    code="LR_SYMMETRY",
    summary="Correlation of the image with its mirror image.",
    definition="Pearson correlation of the image, reduced to 256 pixels, with its mirror image; 1 is symmetric.",
    validity="Views that should be symmetric, as frontal chests.",
    tolerance="Repeated with other noise within 0.001. What is usual of a view is not known.",
    rank=210,
    take=_symmetry,
)
BORDER_CONTACT = _measure(
    name="border_contact",
    unit="%",
    label="Anatomy at image border",
    summary="Share of the image border that the body touches.",
    definition="Share of the border pixels that belong to the body: everything brighter than Otsu's threshold (IEEE "
    "SMC 9, 1979), holes filled, on the image reduced to 256 pixels.",
    validity="Bodies before a darker background; without one the threshold cuts the body itself.",
    tolerance="Within 5 of a drawn body; repeated with other noise within 1.",
    rank=220,
    take=_border_contact,
)
