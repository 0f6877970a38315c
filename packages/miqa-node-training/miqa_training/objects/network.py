"""The object network: EfficientNet-Lite0, a pyramid at an eighth of the input's resolution, three evidence maps."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

from miqa_training.objects.lite0 import Lite0, read_published

MAPS = ("removable", "device", "tube")
"""What each map shows; tubes and lines have their own because they are devices whose place nobody asks for."""
STRIDE = 8
_TAPS = {4: 40, 10: 112, 15: 320}
"""Blocks that end at 1/8, 1/16 and 1/32 of the input's resolution, with their channels."""
_WIDE = 48
FROZEN_BLOCKS = 3
"""First blocks, kept at the published weights with the stem: edges are edges on any picture, and it saves memory."""
RARE = -4.0
"""Initial logit everywhere: a cell seldom shows something."""


class ObjectNet(nn.Module):
    """Maps images (N, 1, H, W), values -1 (black) to 1 (white), to logits (N, 3, H / 8, W / 8) of MAPS."""

    def __init__(self, frozen: int = FROZEN_BLOCKS, *, settled: bool = False, dropped: float = 0.0) -> None:
        """``settled``: the other normalisations, too, keep their statistics in training.

        ``dropped`` is the share of the fused channels that are left out in training.
        """
        super().__init__()
        self.backbone, self.frozen, self.settled = Lite0(), frozen, settled
        self.drop = nn.Dropout2d(dropped)
        self.lateral = nn.ModuleList(nn.Conv2d(channels, _WIDE, 1) for channels in _TAPS.values())
        self.mix = nn.Sequential(*_unit(), *_unit())
        self.evidence = nn.Conv2d(_WIDE, len(MAPS), 1)
        nn.init.normal_(self.evidence.weight, std=0.01)
        nn.init.constant_(self.evidence.bias, RARE)  # type: ignore[arg-type, unused-ignore]
        early = [self.backbone.stem, *self.backbone.blocks[:frozen]] if frozen else []
        for module in early:
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode; the backbone keeps the published statistics of its normalisations."""
        super().train(mode)
        self.backbone.eval()
        if self.settled:
            self.mix.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.evidence(self.features(images)[1])
        return logits.float()

    def features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The deepest activation (N, 320, H / 32, W / 32), and the fused one (N, 48, H / 8, W / 8)."""
        stem = self.backbone.stem
        channels = next(layer.in_channels for layer in stem if isinstance(layer, nn.Conv2d))
        x, taps = stem(images.expand(-1, channels, -1, -1) if channels > 1 else images), []
        for number, block in enumerate(self.backbone.blocks):
            x = block(x)
            if number in _TAPS:
                taps.append(x)
        fused = self.lateral[2](taps[2])
        for level in (1, 0):
            fused = F.interpolate(fused, scale_factor=2.0, mode="bilinear", align_corners=False)
            fused = fused + self.lateral[level](taps[level])
        return taps[2], self.drop(self.mix(fused))


def object_net(weights: Path, frozen: int = FROZEN_BLOCKS, dropped: float = 0.0) -> ObjectNet:
    """A network to be trained, with the published features of ``weights``."""
    net = ObjectNet(frozen, dropped=dropped)
    read_published(net.backbone, weights)
    return net


@torch.no_grad()
def evidence(net: ObjectNet, pictures: Tensor) -> Tensor:
    """Probabilities (N, 3, h, w) of pictures (N, S, S) with values 0 to 1."""
    return torch.sigmoid(net(pictures[:, None] * 2.0 - 1.0))


def _unit() -> tuple[nn.Module, ...]:
    return nn.Conv2d(_WIDE, _WIDE, 3, padding=1, bias=False), nn.BatchNorm2d(_WIDE), nn.ReLU(inplace=True)
