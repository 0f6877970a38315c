"""The denoising network: it estimates the noise, and only what is fine in its estimate is taken from the image."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

CHANNELS, LAYERS = 48, 7
SPLIT = 2
"""The network looks at 2 × 2 pixels as four channels: twice the reach for a quarter of the work (FFDNet)."""
DETAIL_SCALE = 20.0
"""Detail of a twentieth of the display range is what the layers see as 1."""
KEPT_SIGMA_PX = 3.0
"""The estimate's low-pass part (a Gaussian of this σ) stays in the image."""


class Denoiser(nn.Module):
    """Residual learning (Zhang et al., TIP 2017) on split pixels (FFDNet, Zhang et al., TIP 2018).

    Output = image - (noise - Gaussian of the noise). Whatever the weights, a uniform area keeps its level and nothing
    that is large against the Gaussian can appear, vanish or change its contrast: quantum noise is fine-grained, so
    the part that is left in costs next to nothing. ``strength`` is the share of the rest that is subtracted: 1 while it
    learns, less in the exported graph, because the noise that stays keeps edges from looking wider than they are.
    """

    kernel: Tensor

    def __init__(self, channels: int = CHANNELS, layers: int = LAYERS) -> None:
        super().__init__()
        split = SPLIT * SPLIT
        widths = [split + 1, *[channels] * (layers - 1), split]
        steps = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)]
        for step in steps:
            nn.init.kaiming_normal_(step.weight, nonlinearity="relu")
            nn.init.zeros_(cast("Tensor", step.bias))
        nn.init.zeros_(steps[-1].weight)  # begins as the identity
        self.steps = nn.ModuleList(steps)
        self.strength = 1.0
        self.register_buffer("kernel", gaussian(KEPT_SIGMA_PX))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1, H, W) display values around [0, 1] to the same, H and W even and above 20."""
        noise = self.noise(image)
        return image - self.strength * (noise - self.low_pass(noise))

    def noise(self, image: Tensor) -> Tensor:
        """The estimate before its low-pass part is taken out, made from the detail and from how bright it is there."""
        level = self.low_pass(image)
        detail = F.pixel_unshuffle((image - level) * DETAIL_SCALE, SPLIT)
        x = torch.cat([detail, F.avg_pool2d(level, SPLIT)], 1)
        for step in self.steps[:-1]:
            x = F.relu(step(x))
        return F.pixel_shuffle(self.steps[-1](x), SPLIT) * (1.0 / DETAIL_SCALE)

    def low_pass(self, image: Tensor) -> Tensor:
        """Gaussian of KEPT_SIGMA_PX, mirrored at the edges."""
        reach = (self.kernel.numel() - 1) // 2
        wide = F.pad(image, (reach, reach, reach, reach), mode="reflect")
        rows = F.conv2d(wide, self.kernel.view(1, 1, 1, -1))
        return F.conv2d(rows, self.kernel.view(1, 1, -1, 1))


def gaussian(sigma_px: float) -> Tensor:
    """One-dimensional kernel to 3 σ, sum 1."""
    reach = math.ceil(3.0 * sigma_px)
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma_px) ** 2)
    return kernel / kernel.sum()


def reach_px() -> int:
    """How far away a pixel may be and still change another: what tiles must overlap by."""
    return SPLIT * LAYERS + 2 * math.ceil(3.0 * KEPT_SIGMA_PX)
