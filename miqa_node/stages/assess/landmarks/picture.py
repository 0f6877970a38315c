"""Makes the networks' inputs from an image: the whole image, downscaled, and a close-up of the clavicles.

In the whole image at 256 px, one pixel is a tenth of the gap between clavicle and spine. A second network therefore
sees the region around the first network's points at twice the resolution. Training runs the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from miqa_node.core.domain.image import Radiograph
from miqa_node.dicom.pixels.reduction import small_copy, within
from miqa_node.stages.assess.classify.picture import Clahe, PictureInput, Stretch, normalised, resized, stretched
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX
from miqa_node.stages.assess.section import Section

STORED_PX = 512
"""Longer side of the copy that both inputs are made from."""


class CloseUpInput(Section):
    """A square of ``side_px`` is cut out of the whole image, prepared as ``picture`` specifies, at ``whole_px``."""

    whole_px: Annotated[int, Field(ge=64, le=2048)] = 512
    side_px: Annotated[int, Field(ge=32, le=1024)] = 192

    @property
    def share(self) -> float:
        """Side of the close-up as a share of the whole image."""
        return self.side_px / self.whole_px


PICTURE = PictureInput(rows=256, columns=256, clahe=Clahe(clip_limit=2.0, tiles=8), mean=(0.5,), std=(0.5,))
CLOSE_UP_INPUT = CloseUpInput()


@dataclass(frozen=True, slots=True)
class CloseUp:
    """The part (1, 1, side, side) of an image; ``left`` and ``top`` are its corner as fractions of the image."""

    image: NDArray[np.float32]
    left: float
    top: float
    share: float = CLOSE_UP_INPUT.share

    def to_image(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (P, 2) of the close-up as fractions of the whole image."""
        return points * self.share + (self.left, self.top)


def stored_copy(
    display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.uint16], NDArray[np.bool_] | None]:
    """Presentation values, longer side at most STORED_PX, and the mask of pixels that are not padding.

    ``valid`` may still have the size of the image that ``display`` is a copy of.
    """
    small = within(display, STORED_PX)
    if valid is None or valid.shape == small.shape:
        return small, valid
    mask = cv2.resize(valid.astype(np.uint8), small.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return small, mask.astype(np.bool_)


def stretched_copy(radiograph: Radiograph, spec: Stretch | None) -> NDArray[np.float32]:
    """The stored copy of an image between its percentiles, which all packages for chests read: 0 to 1."""
    small, mask = stored_copy(radiograph.once(small_copy, STORED_PX), radiograph.valid)
    return stretched(small, spec, mask)


def close_up_centre(points: NDArray[np.float64]) -> tuple[float, float]:
    """Centre (x, y) of the close-up for points (12, 2): the mean of the known points of the close-up.

    If none is known, the upper middle of the image.
    """
    clavicles = points[CLOSE_UP_INDEX][np.isfinite(points[CLOSE_UP_INDEX]).all(1)]
    if not len(clavicles):
        return 0.5, 0.2
    x, y = clavicles.mean(0)
    return float(x), float(y)


def close_up(
    values: NDArray[np.float32], centre: tuple[float, float], picture: PictureInput = PICTURE,
    part: CloseUpInput = CLOSE_UP_INPUT,
) -> CloseUp:  # fmt: skip
    """The close-up of stretched values (rows, columns), 0 to 1, around ``centre``; it stays inside the image."""
    whole = resized(values, picture.model_copy(update={"rows": part.whole_px, "columns": part.whole_px}))
    side = part.side_px
    left, top = (int(np.clip(round(c * part.whole_px - side / 2), 0, part.whole_px - side)) for c in centre)
    image = normalised(whole[top : top + side, left : left + side], picture)
    return CloseUp(image, left / part.whole_px, top / part.whole_px, part.share)
