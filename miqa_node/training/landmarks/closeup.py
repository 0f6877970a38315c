"""The clavicles' medial ends and the spine between them, in a close-up: rotation is a matter of millimetres.

On the whole image at 256 px one pixel is a tenth of the gap between clavicle and spine. A second network therefore
looks at the part around the first one's points, at the resolution of the stored image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from miqa_node.assess.classify.picture import PictureInput, prepare
from miqa_node.degrade import Image
from miqa_node.training.landmarks.data import PICTURE, LandmarkData, targets
from miqa_node.training.landmarks.losses import LandmarkLoss, LandmarkTargets, rotation_loss
from miqa_node.training.landmarks.network import LandmarkOutput, LandmarkTask, places
from miqa_node.training.landmarks.points import NUMBER, LandmarkAnnotation
from miqa_node.training.landmarks.variation import LandmarkSample, vary_sample

CLOSE_UP_POINTS = ("clav_l", "clav_r", "spine_clav")
CLOSE_UP = LandmarkTask(CLOSE_UP_POINTS, 192, {"visible": 3, "scale": 6, "rotation": 1, "grade": 4})
WHOLE_PX = 512
"""Side of the whole image that the close-up is cut from."""
SHARE = CLOSE_UP.side_px / WHOLE_PX
"""Side of the close-up as a share of the whole image."""
SHIFT = 0.03
"""Standard deviation of a training close-up's centre around the true one, as a share of the image."""
SPREAD = torch.tensor([[0.010, 0.014], [0.010, 0.014], [0.010, 0.025]]) / SHARE
POINT_ROTATION_WEIGHT = 2.0

_INDEX = [NUMBER[name] for name in CLOSE_UP_POINTS]
_WHOLE: PictureInput = PICTURE.model_copy(update={"rows": WHOLE_PX, "columns": WHOLE_PX})


@dataclass(frozen=True, slots=True)
class CloseUp:
    """The part of an image around (x, y); ``left`` and ``top`` are its corner as fractions of the image."""

    image: Tensor
    left: float
    top: float

    def to_image(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (P, 2) of the close-up as fractions of the whole image."""
        return points * SHARE + (self.left, self.top)


def close_up_centre(points: NDArray[np.float64]) -> tuple[float, float]:
    """(x, y) of the close-up for points (12, 2): the mean of those of CLOSE_UP_POINTS that are known.

    The image's upper middle if none is known.
    """
    known = points[_INDEX][np.isfinite(points[_INDEX]).all(1)]
    if not len(known):
        return 0.5, 0.2
    x, y = known.mean(0)
    return float(x), float(y)


def close_up(image: Image, centre: tuple[float, float]) -> CloseUp:
    """The close-up (1, 192, 192) of an image (rows, columns) with values 0 to 1; it never leaves the image."""
    display = np.rint(image * np.float32(65535)).astype(np.uint16)
    whole = prepare(display, _WHOLE)[0]
    side = CLOSE_UP.side_px
    left, top = (int(np.clip(round(c * WHOLE_PX - side / 2), 0, WHOLE_PX - side)) for c in centre)
    part = np.ascontiguousarray(whole[:, top : top + side, left : left + side])
    return CloseUp(torch.from_numpy(part), left / WHOLE_PX, top / WHOLE_PX)


def draw_close_up(data: LandmarkData, seed: int, index: int) -> tuple[Tensor, LandmarkTargets]:
    """Training sample number ``index`` of a seed; always the same one."""
    rng = np.random.default_rng((seed, index))
    annotation = data.fitting[int(rng.integers(len(data.fitting)))]
    pixels = data.pixels[annotation.record.path.name]
    sample = vary_sample(annotation, pixels, rng, side_px=WHOLE_PX, cut_share=0.05)
    x, y = close_up_centre(sample.points)
    part = close_up(sample.image, (x + rng.normal(0.0, SHIFT), y + rng.normal(0.0, SHIFT)))
    return part.image, close_up_targets(annotation, sample, part)


def close_up_targets(annotation: LandmarkAnnotation, sample: LandmarkSample, part: CloseUp) -> LandmarkTargets:
    """The targets of the whole image, with the three points as fractions of the close-up."""
    whole = targets(annotation, sample)
    corner = torch.tensor([part.left, part.top])
    points = (whole.points[_INDEX] - corner) / SHARE
    inside = ((points > 0.0) & (points < 1.0)).all(1)
    return LandmarkTargets(
        points=torch.where(inside[:, None], points, torch.nan).float(), weight=whole.weight,
        visible=(whole.visible[_INDEX] * inside).float(), cut=whole.cut, margin=whole.margin, ribs=whole.ribs,
        rotation=whole.rotation, grade=whole.grade, mark=whole.mark, mirrored=whole.mirrored,
    )  # fmt: skip


def rotation_of(points: Tensor) -> Tensor:
    """Rotation (N, 1) as a share of points (N, 3, 2): the gap at right less the gap at left, over their sum."""
    left, right, spine = points[:, 0, 0], points[:, 1, 0], points[:, 2, 0]
    width = (right - left).clamp_min(0.04)
    return ((left + right - 2.0 * spine) / width).clamp(-1.5, 1.5)[:, None]


class CloseUpLoss(LandmarkLoss):
    """The loss of the points, and of the rotation that follows from them."""

    def __init__(self) -> None:
        super().__init__(SPREAD)

    def __call__(self, output: LandmarkOutput, targets: LandmarkTargets) -> tuple[Tensor, dict[str, float]]:
        """The loss, and its parts for the log."""
        loss, parts = super().__call__(output, targets)
        turned = POINT_ROTATION_WEIGHT * rotation_loss(rotation_of(places(output.heat)), targets)
        return loss + turned, {**parts, "point_rotation": float(turned.detach())}
