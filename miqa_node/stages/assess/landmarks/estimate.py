"""Runs both networks on one image: first on the whole image, then on a close-up of the clavicles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.landmarks import SideMarker
from miqa_node.stages.assess.classify.picture import PictureInput, normalised, resized, stretched
from miqa_node.stages.assess.landmarks.marker import MarkerNetwork
from miqa_node.stages.assess.landmarks.picture import (
    CLOSE_UP_INPUT,
    PICTURE,
    CloseUp,
    CloseUpInput,
    close_up,
    close_up_centre,
    stored_copy,
)
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX, MIRRORED, MIRRORED_SIDES
from miqa_node.stages.assess.landmarks.positioning import rotation_percent

INPUT = "image"
WHOLE_OUTPUTS = ("points", "visible", "error", "cut", "margin", "ribs", "rotation", "grade", "mark", "mirrored")
"""Outputs of the whole-image graph: points, their visibility and expected errors, then outputs without a place."""
LUNGS = "lungs"
"""Output of the whole-image graph in packages that find the lung field."""
CLOSE_UP_OUTPUTS = ("points", "visible", "error", "rotation", "grade")
ROTATION_BY_GRADE = (0.06, 0.19, 0.26)
"""Mean rotation, as a share, of patients whom readers called straight; its increase for patients called at least
slightly, and at least markedly rotated (174 training images with visible clavicles)."""
Outputs = Mapping[str, NDArray[np.float64]]
"""Outputs of a graph for one image by name, without the batch axis."""
Run = Callable[[NDArray[np.float32]], Outputs]
"""One network on a prepared image (1, 1, side, side)."""


@dataclass(frozen=True, slots=True)
class LandmarkEstimate:
    """The networks' estimate for one image.

    ``points`` (12, 2) as fractions of the image, also for points that are not visible; ``visible`` (12,) probability
    that a reader would mark the point; ``error`` (12, 2) expected absolute error; ``cut`` (4,) probability that lung is
    cut off at a side; ``margin`` (4,) distance of the lungs to that side, negative outside; ``ribs`` above the dome at
    image left; ``rotation`` a share, -1 to 1; ``grade`` (4,: rotation at least slight, at least marked, inspiration at
    least slightly, at least markedly poor), ``mark`` (2,: scapulae, chin) and ``mirrored`` are probabilities.
    ``lungs`` (2, cells, cells) is the probability of lung in each cell of the image, of the lung at the image's left
    and of the one at its right; None from a package without a lung field. ``markers`` are the side markers that were
    read, the most certain first.
    """

    points: NDArray[np.float64]
    visible: NDArray[np.float64]
    error: NDArray[np.float64]
    cut: NDArray[np.float64]
    margin: NDArray[np.float64]
    ribs: float
    rotation: float
    grade: NDArray[np.float64]
    mark: NDArray[np.float64]
    mirrored: float
    lungs: NDArray[np.float64] | None = None
    markers: tuple[SideMarker, ...] = ()

    @classmethod
    def of(cls, outputs: Outputs) -> Self:
        """From the outputs of the whole-image graph."""
        return cls(
            points=outputs["points"], visible=outputs["visible"], error=outputs["error"], cut=outputs["cut"],
            margin=outputs["margin"], ribs=float(outputs["ribs"][0]), rotation=float(outputs["rotation"][0]),
            grade=outputs["grade"], mark=outputs["mark"], mirrored=float(outputs["mirrored"][0]),
            lungs=outputs.get(LUNGS),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class GlobalEstimate:
    """What the network of the whole image says, of the image and of its mirror image (both (values, estimate))."""

    small: NDArray[np.uint16]
    mask: NDArray[np.bool_] | None
    straight: tuple[NDArray[np.float32], LandmarkEstimate]
    mirrored: tuple[NDArray[np.float32], LandmarkEstimate]

    @property
    def lungs(self) -> NDArray[np.float64] | None:
        """The lung field, the mean of both; None from a package that finds none."""
        return mean(self.straight[1], mirror(self.mirrored[1])).lungs


class LandmarkNetwork:
    """Runs the whole-image network and, if there are such, the close-up network and the reader of side markers."""

    def __init__(
        self, whole: Run, closer: Run | None = None, picture: PictureInput = PICTURE,
        part: CloseUpInput = CLOSE_UP_INPUT, marker: MarkerNetwork | None = None,
    ) -> None:  # fmt: skip
        self._whole, self._closer, self._picture, self._part, self._marker = whole, closer, picture, part, marker

    def __call__(self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None) -> LandmarkEstimate:
        """The estimate for presentation values (rows, columns); padding (``valid`` is False) is black to the networks.

        It is the mean over the image and its mirror image, which reduces the networks' random errors.
        """
        return self.closer(self.glance(display, valid))

    def glance(
        self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None,
        values: NDArray[np.float32] | None = None,
    ) -> GlobalEstimate:  # fmt: skip
        """The whole image alone, which tells whether it shows lungs; ``values`` are its stretched copy, if known."""
        small, mask = stored_copy(display, valid)
        values = stretched(small, self._picture.stretch, mask) if values is None else values
        other = np.ascontiguousarray(values[:, ::-1])
        return GlobalEstimate(small, mask, (values, self._read(values)), (other, self._read(other)))

    def closer(self, glance: GlobalEstimate) -> LandmarkEstimate:
        """The estimate, with the close-up of each, and the side markers."""
        estimate = mean(self._refined(*glance.straight), mirror(self._refined(*glance.mirrored)))
        if self._marker is None:
            return estimate
        values = glance.straight[0] if self._marker.stretch == self._picture.stretch else None
        return replace(estimate, markers=self._marker(glance.small, glance.mask, values))

    def markers(self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None = None) -> tuple[SideMarker, ...]:
        """The side markers alone, of presentation values (rows, columns) of any part; empty without their reader."""
        return self._marker(*stored_copy(display, valid)) if self._marker else ()

    def turned_lungs(
        self, display: NDArray[np.uint16], valid: NDArray[np.bool_] | None, turns: int
    ) -> NDArray[np.float64] | None:
        """The lung field of the image after that many quarter turns; None from a package that finds none."""
        small, mask = stored_copy(display, valid)
        values = np.rot90(stretched(small, self._picture.stretch, mask), turns)
        one, other = (self._read(np.ascontiguousarray(part)).lungs for part in (values, values[:, ::-1]))
        return None if one is None or other is None else 0.5 * (one + other[::-1, :, ::-1])

    def _read(self, values: NDArray[np.float32]) -> LandmarkEstimate:
        return LandmarkEstimate.of(self._whole(normalised(resized(values, self._picture), self._picture)))

    def _refined(self, values: NDArray[np.float32], estimate: LandmarkEstimate) -> LandmarkEstimate:
        if self._closer is None:
            return estimate
        part = close_up(values, close_up_centre(estimate.points), self._picture, self._part)
        return refine(estimate, part, self._closer(part.image))


def refine(estimate: LandmarkEstimate, part: CloseUp, outputs: Outputs) -> LandmarkEstimate:
    """The estimate with its points replaced by those of the close-up.

    Visibility becomes the mean over both networks. Rotation is the mean of the close-up's estimate and the value
    computed from its points. The grade is the close-up's, which agrees better with readers.
    """
    points, visible, grade = estimate.points.copy(), estimate.visible.copy(), estimate.grade.copy()
    points[CLOSE_UP_INDEX] = part.to_image(outputs["points"])
    visible[CLOSE_UP_INDEX] = 0.5 * (estimate.visible[CLOSE_UP_INDEX] + outputs["visible"])
    grade[:2] = outputs["grade"][:2]
    rotation, by_points = float(outputs["rotation"][0]), rotation_percent(points) / 100.0
    if math.isfinite(by_points):
        rotation = 0.5 * (rotation + by_points)
    return replace(estimate, points=points, visible=visible, grade=grade, rotation=rotation)


def mirror(estimate: LandmarkEstimate) -> LandmarkEstimate:
    """The estimate for a mirror image, converted to the image itself; ``ribs`` are then those at the image's right."""
    points = estimate.points[MIRRORED].copy()
    points[:, 0] = 1.0 - points[:, 0]
    return replace(
        estimate, points=points, visible=estimate.visible[MIRRORED], error=estimate.error[MIRRORED],
        cut=estimate.cut[MIRRORED_SIDES], margin=estimate.margin[MIRRORED_SIDES], rotation=-estimate.rotation,
        mirrored=1.0 - estimate.mirrored, lungs=None if estimate.lungs is None else estimate.lungs[::-1, :, ::-1],
    )  # fmt: skip


def mean(one: LandmarkEstimate, other: LandmarkEstimate) -> LandmarkEstimate:
    """The mean of two estimates, with the ribs of the first; rotation is at least as large as its grade suggests.

    If the clavicles are hidden, the networks detect rotation more reliably than they estimate its size.
    """
    means = {
        name: 0.5 * (getattr(one, name) + getattr(other, name))
        for name in ("points", "visible", "error", "cut", "margin", "grade", "mark", "mirrored")
    }
    rotation = 0.5 * (one.rotation + other.rotation)
    usual = float(np.dot(ROTATION_BY_GRADE, (1.0, means["grade"][0], means["grade"][1])))
    size = max(abs(rotation), usual)
    lungs = None if one.lungs is None or other.lungs is None else 0.5 * (one.lungs + other.lungs)
    return LandmarkEstimate(**means, ribs=one.ribs, rotation=math.copysign(min(size, 1.0), rotation), lungs=lungs)
