"""Augments training pictures by batch: rotation, mirroring, brightness, contrast, scale and shift."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

ROTATION_DEGREES = 10.0
SCALE = (0.88, 1.15)
SHIFT = 0.06
"""Maximum shift as a share of the side."""
BRIGHTNESS = 0.12
CONTRAST = (0.75, 1.3)
NOISE = 0.02


def augment(pictures: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """Values in [-1, 1], (N, 1, side, side), of uint8 pictures (N, 1, rows, columns); each is varied independently."""
    count = pictures.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle = uniform(-ROTATION_DEGREES, ROTATION_DEGREES) * (math.pi / 180.0)
    size = uniform(*SCALE)
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    rows = [torch.stack([cos * mirror, -sin, uniform(-SHIFT, SHIFT)], 1)]
    rows.append(torch.stack([sin * mirror, cos, uniform(-SHIFT, SHIFT)], 1))
    grid = F.affine_grid(torch.stack(rows, 1), [count, 1, side, side], align_corners=False)
    images = F.grid_sample(plain(pictures), grid, padding_mode="border", align_corners=False)
    contrast, brightness = uniform(*CONTRAST), uniform(-BRIGHTNESS, BRIGHTNESS)
    images = images * contrast[:, None, None, None] + 2.0 * brightness[:, None, None, None]
    images = images + NOISE * torch.randn(images.shape, generator=generator)
    return images.clamp(-1.0, 1.0)


def plain(pictures: Tensor) -> Tensor:
    """The same range without variation, as in the package's normalisation."""
    return pictures.float() / 127.5 - 1.0
