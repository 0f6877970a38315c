"""Reads one image with both networks: the points of the whole image, then the clavicles again in the close-up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from miqa_node.degrade import Image
from miqa_node.training.landmarks.closeup import CLOSE_UP_POINTS, CloseUp, close_up, close_up_centre
from miqa_node.training.landmarks.data import picture
from miqa_node.training.landmarks.export import LandmarkEstimate, Outputs
from miqa_node.training.landmarks.points import NUMBER
from miqa_node.training.landmarks.positioning import rotation_percent

Run = Callable[[NDArray[np.float32]], Outputs]
"""One network on a prepared image (1, 1, side, side): an exported graph, or the network itself."""
_INDEX = [NUMBER[name] for name in CLOSE_UP_POINTS]


class LandmarkReader:
    """Reads images with a network of the whole image and, if there is one, that of the close-up."""

    def __init__(self, whole: Run, closer: Run | None = None) -> None:
        self._whole, self._closer = whole, closer

    def __call__(self, image: Image) -> LandmarkEstimate:
        """The estimate for an image (rows, columns) with values 0 to 1."""
        estimate = LandmarkEstimate.of(self._whole(np.asarray(picture(image)[None].numpy(), np.float32)))
        if self._closer is None:
            return estimate
        part = close_up(image, close_up_centre(estimate.points))
        return refine(estimate, part, self._closer(np.asarray(part.image[None].numpy(), np.float32)))


def refine(estimate: LandmarkEstimate, part: CloseUp, outputs: Outputs) -> LandmarkEstimate:
    """The estimate with the close-up's points in place of its own.

    Rotation becomes the mean of what the close-up says and what follows from its points. Visibility and the grade of
    rotation become the mean over both networks, which agrees better with readers than either.
    """
    points, visible, grade = estimate.points.copy(), estimate.visible.copy(), estimate.grade.copy()
    points[_INDEX] = part.to_image(outputs["points"])
    visible[_INDEX] = 0.5 * (estimate.visible[_INDEX] + outputs["visible"])
    grade[:2] = 0.5 * (estimate.grade[:2] + outputs["grade"][:2])
    rotation, by_points = float(outputs["rotation"][0]), rotation_percent(points) / 100.0
    if math.isfinite(by_points):
        rotation = 0.5 * (rotation + by_points)
    return replace(estimate, points=points, visible=visible, grade=grade, rotation=rotation)
