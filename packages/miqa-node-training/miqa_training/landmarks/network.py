"""The landmark network: MobileNetV2 with a fine decoder for heat maps, and a small branch for the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_node.stages.assess.landmarks.points import POINTS, SIDES
from miqa_training.architectures import Architecture, build
from miqa_training.landmarks.points import GRADES, MARKS
from miqa_training.pretrained import pretrained

SIDE_PX = 256
_TAPS = {2: 24, 5: 32, 12: 96, 17: 320}
"""MobileNetV2's blocks that end at 1/4, 1/8, 1/16 and 1/32 of the input, with their channels."""
_LAST_BLOCK = 17
_SHRUNK, _HIDDEN = 48, 192
FROZEN_BLOCKS = 4
"""First blocks of the backbone, frozen at their published weights: edge filters transfer and take half of the time."""

STATE = {
    "visible": len(POINTS), "scale": 2 * len(POINTS), "cut": len(SIDES), "margin": len(SIDES), "ribs": 1,
    "rotation": 1, "grade": 2 * len(GRADES), "mark": len(MARKS), "mirrored": 1,
}  # fmt: skip
"""Outputs of the second branch, with the number of values of each."""


class LandmarkOutput(NamedTuple):
    """Of N images: ``heat`` (N, 12, H/4, W/4) logits of the points' places; ``state`` logits (N, count) by STATE."""

    heat: Tensor
    state: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class LandmarkWidths:
    """Channels of the decoder and share of the hidden state that training drops."""

    decoder: int = 48
    dropout: float = 0.3


@dataclass(frozen=True, slots=True)
class LandmarkTask:
    """A network's task: its points, its input side in pixels, and its other outputs by name."""

    points: tuple[str, ...]
    side_px: int
    state: Mapping[str, int]


WHOLE_IMAGE = LandmarkTask(POINTS, SIDE_PX, STATE)


class LandmarkNet(nn.Module):
    """Maps images (N, 1, side, side), values -1 (black) to 1 (white), to heat maps and state."""

    def __init__(self, backbone: nn.Module, task: LandmarkTask, widths: LandmarkWidths | None = None) -> None:
        super().__init__()
        widths = widths or LandmarkWidths()
        self.backbone, self.task = backbone, task
        for parameter in cast("nn.Sequential", backbone)[:FROZEN_BLOCKS].parameters():
            parameter.requires_grad = False
        wide = widths.decoder
        self.lateral = nn.ModuleList(_unit(channels, wide, 1) for channels in _TAPS.values())
        self.mix = nn.ModuleList(separable(wide) for _ in _TAPS)
        self.heat = nn.Conv2d(wide, len(task.points), 1)
        self.shrink = _unit(_TAPS[_LAST_BLOCK], _SHRUNK, 1)
        cells = (task.side_px // 32) ** 2
        self.hidden = nn.Sequential(nn.Dropout(widths.dropout), nn.Linear(_SHRUNK * cells, _HIDDEN), nn.ReLU(),
                                    nn.Dropout(widths.dropout))  # fmt: skip
        self.state = nn.Linear(_HIDDEN, sum(task.state.values()))
        nn.init.normal_(self.heat.weight, std=0.01)
        nn.init.normal_(self.state.weight, std=0.01)
        nn.init.zeros_(cast("Tensor", self.state.bias))

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode; the frozen blocks stay in evaluation mode."""
        super().train(mode)
        cast("nn.Sequential", self.backbone)[:FROZEN_BLOCKS].eval()
        return self

    def forward(self, images: Tensor) -> LandmarkOutput:
        """See :class:`LandmarkOutput`."""
        features, x = [], images
        for number, block in enumerate(cast("nn.Sequential", self.backbone)):
            x = block(x)
            if number in _TAPS:
                features.append(x)
        fused = self.mix[-1](self.lateral[-1](x))
        for number in (2, 1, 0):
            larger = F.interpolate(fused, scale_factor=2.0, mode="nearest")
            fused = self.mix[number](self.lateral[number](features[number]) + larger)
        hidden = self.hidden(self.shrink(x).flatten(1)).float()
        state = self.state(hidden).split(list(self.task.state.values()), 1)
        return LandmarkOutput(self.heat(fused).float(), dict(zip(self.task.state, state, strict=True)))


def landmark_net(task: LandmarkTask = WHOLE_IMAGE, weights: Path | None = None) -> LandmarkNet:
    """A fresh network; ``weights`` is the published MobileNetV2 file for its features."""
    whole = build(Architecture.MOBILENET, 1) if weights is None else pretrained(Architecture.MOBILENET, weights, 1)
    return LandmarkNet(cast("nn.Sequential", whole.features)[: _LAST_BLOCK + 1], task)


def part_net(whole: LandmarkNet, task: LandmarkTask) -> LandmarkNet:
    """A network for a part of the image, initialised with the network of the whole image.

    The points of ``task`` must be among the whole image's; only layers over all cells at once are newly initialised.
    """
    net = LandmarkNet(copy.deepcopy(whole.backbone), task)
    for name in ("lateral", "mix", "shrink"):
        getattr(net, name).load_state_dict(getattr(whole, name).state_dict())
    rows = [whole.task.points.index(point) for point in task.points]
    net.heat.load_state_dict({name: value[rows] for name, value in whole.heat.state_dict().items()})
    return net


def places(heat: Tensor) -> Tensor:
    """The expected place of every point (soft-argmax), (N, points, 2) as x and y, fractions of the image."""
    rows, columns = heat.shape[2:]
    chance = heat.flatten(2).softmax(2).reshape(heat.shape)
    x = (torch.arange(columns, device=heat.device) + 0.5) / columns
    y = (torch.arange(rows, device=heat.device) + 0.5) / rows
    return torch.stack([(chance.sum(2) * x).sum(2), (chance.sum(3) * y).sum(2)], 2)


def _unit(inputs: int, outputs: int, size: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def separable(width: int) -> nn.Sequential:
    """Each channel filtered by itself in 5 × 5, then all mixed; rows, columns and channels stay."""
    each = nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False)
    return nn.Sequential(each, nn.BatchNorm2d(width), *_unit(width, width, 1))
