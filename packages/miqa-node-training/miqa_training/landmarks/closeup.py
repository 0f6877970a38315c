"""Samples and loss of the close-up network: clavicles and the spine between them, for the patient's rotation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from miqa_node.stages.assess.classify.picture import stretched
from miqa_node.stages.assess.landmarks.picture import CLOSE_UP_INPUT, PICTURE, CloseUp, close_up, close_up_centre
from miqa_node.stages.assess.landmarks.points import CLOSE_UP_INDEX, CLOSE_UP_POINTS
from miqa_training.landmarks.data import LandmarkData, display_of, targets
from miqa_training.landmarks.losses import LandmarkLoss, LandmarkTargets, rotation_loss
from miqa_training.landmarks.network import LandmarkOutput, LandmarkTask, places
from miqa_training.landmarks.points import LandmarkAnnotation
from miqa_training.landmarks.variation import LandmarkSample, vary_sample

CLOSE_UP = LandmarkTask(CLOSE_UP_POINTS, CLOSE_UP_INPUT.side_px, {"visible": 3, "scale": 6, "rotation": 1, "grade": 4})
SHARE = CLOSE_UP_INPUT.share
SHIFT = 0.03
"""Standard deviation of a training close-up's centre around the true one, as a share of the image."""
SPREAD = torch.tensor([[0.010, 0.014], [0.010, 0.014], [0.010, 0.025]]) / SHARE
POINT_ROTATION_WEIGHT = 2.0


def draw_close_up(data: LandmarkData, seed: int, index: int) -> tuple[Tensor, LandmarkTargets]:
    """Training sample number ``index`` of a seed; always the same one."""
    rng = np.random.default_rng((seed, index))
    annotation = data.chosen(rng)
    pixels = data.pixels[annotation.record.path.name]
    sample = vary_sample(annotation, pixels, rng, side_px=CLOSE_UP_INPUT.whole_px, cut_share=0.05)
    x, y = close_up_centre(sample.points)
    values = stretched(display_of(sample.image), PICTURE.stretch)
    part = close_up(values, (x + rng.normal(0.0, SHIFT), y + rng.normal(0.0, SHIFT)))
    return torch.from_numpy(part.image[0]), close_up_targets(annotation, sample, part)


def close_up_targets(annotation: LandmarkAnnotation, sample: LandmarkSample, part: CloseUp) -> LandmarkTargets:
    """The targets of the whole image, with the three points as fractions of the close-up."""
    whole = targets(annotation, sample)
    corner = torch.tensor([part.left, part.top])
    points = (whole.points[CLOSE_UP_INDEX] - corner) / SHARE
    inside = ((points > 0.0) & (points < 1.0)).all(1)
    return LandmarkTargets(
        points=torch.where(inside[:, None], points, torch.nan).float(), weight=whole.weight,
        visible=(whole.visible[CLOSE_UP_INDEX] * inside).float(), cut=whole.cut, margin=whole.margin, ribs=whole.ribs,
        rotation=whole.rotation, grade=whole.grade, mark=whole.mark, mirrored=whole.mirrored,
    )  # fmt: skip


def rotation_of(points: Tensor) -> Tensor:
    """Rotation (N, 1) from points (N, 3, 2): the right gap minus the left gap, divided by their sum."""
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
