"""The loss of a landmark network: errors of places first, then of all outputs without a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.landmarks.network import LandmarkOutput, places

ROTATED_ABOVE, STRAIGHT_BELOW = 0.20, 0.12
"""Rotation (as a share) that readers call rotated, and one that they call straight, for images with hidden
clavicles."""
RIBS_UNIT, RIBS_TYPICAL = 2.0, 9.0
"""The rib output is (ribs - 9) / 2."""
SCALE_OFFSET = 4.0
"""The scale output is log(expected error) + 4."""
PLACE_UNIT = 0.012
"""Spread of a point that readers place exactly; its coordinates have full weight."""


@dataclass(frozen=True, slots=True)
class LandmarkTargets:
    """Targets of N images and P points; NaN is unknown everywhere.

    ``points`` (N, P, 2); ``weight`` (N,) by the reader's confidence; ``visible`` (N, P), ``cut`` (N, 4), ``grade``
    (N, 4: at least 1 and at least 2 for each of GRADES), ``mark`` (N, 2) and ``mirrored`` (N, 1) are 0 or 1;
    ``margin`` (N, 4) fractions; ``ribs`` (N, 1); ``rotation`` (N, 1) a share, -1 to 1.
    """

    points: Tensor
    weight: Tensor
    visible: Tensor
    cut: Tensor
    margin: Tensor
    ribs: Tensor
    rotation: Tensor
    grade: Tensor
    mark: Tensor
    mirrored: Tensor

    @classmethod
    def stack(cls, targets: list[LandmarkTargets]) -> LandmarkTargets:
        """One batch of single targets, whose tensors lack the first axis."""
        return cls(*(torch.stack([getattr(t, f.name) for t in targets]) for f in fields(cls)))


class LandmarkLoss:
    """The weighted sum over all outputs that a network has.

    ``spread`` (P, 2) is the readers' spread for each point, as fractions of the image.
    """

    def __init__(self, spread: Tensor) -> None:
        self.spread = spread.float()

    def __call__(self, output: LandmarkOutput, targets: LandmarkTargets) -> tuple[Tensor, dict[str, float]]:
        """The loss, and its parts for the log."""
        predicted = places(output.heat)
        parts = {"heat": self.heat(output.heat, targets), "place": 6.0 * self.place(predicted, targets)}
        state = {**output.state, "scale": _errors(output.state["scale"], predicted.detach(), targets)}
        for name, values in state.items():
            weight, loss = STATE_LOSSES[name]
            parts[name] = weight * loss(values, targets)
        return torch.stack(list(parts.values())).sum(), {name: float(part.detach()) for name, part in parts.items()}

    def heat(self, heat: Tensor, targets: LandmarkTargets) -> Tensor:
        """Cross-entropy against a Gaussian with the readers' spread, minus the Gaussian's entropy."""
        rows, columns = heat.shape[2:]
        labelled = targets.points.isfinite().all(2)
        centre = targets.points.nan_to_num(0.5)
        x = (torch.arange(columns) + 0.5) / columns
        y = (torch.arange(rows) + 0.5) / rows
        along_x = -0.5 * ((x - centre[..., :1]) / self.spread[:, :1]).square()
        along_y = -0.5 * ((y - centre[..., 1:]) / self.spread[:, 1:]).square()
        target = (along_y[..., :, None] + along_x[..., None, :]).flatten(2).softmax(2)
        entropy = -(target * heat.flatten(2).log_softmax(2)).sum(2)
        own = -(target * target.clamp_min(1e-12).log()).sum(2)
        weight = labelled * targets.weight[:, None]
        return ((entropy - own) * weight).sum() / weight.sum().clamp_min(1.0)

    def place(self, predicted: Tensor, targets: LandmarkTargets) -> Tensor:
        """Mean absolute error; coordinates with a wide reader spread count less."""
        exactness = PLACE_UNIT / self.spread
        return _mean((predicted - targets.points.nan_to_num(0.5)).abs() * exactness, targets)


def _errors(logits: Tensor, predicted: Tensor, targets: LandmarkTargets) -> Tensor:
    """Negative log-likelihood (N, P, 2) of a Laplace distribution around the predicted place."""
    log_scale = logits.reshape(predicted.shape).clamp(-3.0, 5.0) - SCALE_OFFSET
    return (predicted - targets.points.nan_to_num(0.5)).abs() * (-log_scale).exp() + log_scale


def _mean(values: Tensor, targets: LandmarkTargets) -> Tensor:
    weight = targets.points.isfinite() * targets.weight[:, None, None]
    return (values * weight).sum() / weight.sum().clamp_min(1.0)


def _binary(logits: Tensor, target: Tensor) -> Tensor:
    labelled = target.isfinite()
    loss = F.binary_cross_entropy_with_logits(logits, target.nan_to_num(0.0), reduction="none")
    return (loss * labelled).sum() / labelled.sum().clamp_min(1)


def _smooth(values: Tensor, target: Tensor, beta: float) -> Tensor:
    labelled = target.isfinite()
    loss = F.smooth_l1_loss(values, target.nan_to_num(0.0), reduction="none", beta=beta)
    return (loss * labelled).sum() / labelled.sum().clamp_min(1)


def rotation_loss(values: Tensor, targets: LandmarkTargets) -> Tensor:
    """L1 where the reader marked the clavicles; where they are hidden, the grade bounds the size of the rotation."""
    measured = _smooth(values, targets.rotation, 0.05)
    rotated = targets.grade[:, :1]
    hidden = (~targets.rotation.isfinite() & rotated.isfinite()).float()
    size = values.abs()
    beyond = torch.where(rotated.nan_to_num(0.0) > 0, F.relu(ROTATED_ABOVE - size), F.relu(size - STRAIGHT_BELOW))
    return measured + (beyond * hidden).sum() / hidden.sum().clamp_min(1)


STATE_LOSSES: Mapping[str, tuple[float, Callable[[Tensor, LandmarkTargets], Tensor]]] = {
    "visible": (1.0, lambda values, targets: _binary(values, targets.visible)),
    "scale": (0.1, _mean),
    "cut": (1.0, lambda values, targets: _binary(values, targets.cut)),
    "margin": (5.0, lambda values, targets: _smooth(values, targets.margin.clamp(-0.25, 0.35), 0.03)),
    "ribs": (0.3, lambda values, targets: _smooth(values, (targets.ribs - RIBS_TYPICAL) / RIBS_UNIT, 0.5)),
    "rotation": (2.0, rotation_loss),
    "grade": (0.8, lambda values, targets: _binary(values, targets.grade)),
    "mark": (0.1, lambda values, targets: _binary(values, targets.mark)),
    "mirrored": (0.2, lambda values, targets: _binary(values, targets.mirrored)),
}
"""Weight and loss of each output in STATE."""
