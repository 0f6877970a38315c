"""The denoising network: it estimates the noise and subtracts only the fine part of the estimate."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

CHANNELS, LAYERS = 48, 7
SPLIT = 2
"""The network takes 2 × 2 pixels as four channels: twice the receptive field for a quarter of the work (FFDNet)."""
DETAIL_SCALE = 20.0
"""Detail of a twentieth of the display range becomes 1 inside the network."""
KEPT_SIGMA_PX = 3.0
"""The estimate's low-pass part (a Gaussian of this σ) stays in the image."""
EDGE_SIGMA_PX = 1.5
"""Edges are detected in the result smoothed by a Gaussian of this σ."""


class Denoiser(nn.Module):
    """Residual learning (Zhang et al., TIP 2017) on split pixels (FFDNet, Zhang et al., TIP 2018).

    Output = image - (noise - Gaussian of the noise). Whatever the weights, a uniform area keeps its level, and nothing
    much larger than the Gaussian can appear, vanish or change its contrast. Quantum noise is fine-grained, so hardly
    any of it remains.

    In training, all of the fine part is subtracted. The exported graph subtracts less on the edges of the result: noise
    is hidden there, and the estimate contains the slope that the edge lost. At a slope of ``edge_slope`` display units
    per pixel, half of the estimate stays in the image.
    """

    kernel: Tensor
    edge_kernel: Tensor

    def __init__(self, channels: int = CHANNELS, layers: int = LAYERS) -> None:
        super().__init__()
        split = SPLIT * SPLIT
        widths = [split + 1, *[channels] * (layers - 1), split]
        steps = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)]
        for step in steps:
            nn.init.kaiming_normal_(step.weight, nonlinearity="relu")
            nn.init.zeros_(cast("Tensor", step.bias))
        nn.init.zeros_(steps[-1].weight)  # starts as the identity
        self.steps = nn.ModuleList(steps)
        self.edge_slope: float | None = None
        self.register_buffer("kernel", gaussian(KEPT_SIGMA_PX))
        self.register_buffer("edge_kernel", gaussian(EDGE_SIGMA_PX))

    def forward(self, image: Tensor) -> Tensor:
        """Denoised display values, (N, 1, H, W), from values around [0, 1]; H and W even and above 20."""
        fine = self.fine(self.noise(image))
        if self.edge_slope is not None:
            fine = self.fine((1.0 - self.at_edges(image - fine, self.edge_slope)) * fine)
        return image - fine

    def fine(self, values: Tensor) -> Tensor:
        """The part that a Gaussian of KEPT_SIGMA_PX removes."""
        return values - self.low_pass(values)

    def at_edges(self, image: Tensor, half: float) -> Tensor:
        """Edge strength of each pixel, 0 to 1; 1/2 where the smoothed image has a slope of ``half`` per pixel."""
        smooth = F.pad(blurred(image, self.edge_kernel), (1, 1, 1, 1), mode="replicate")
        across = 0.5 * (smooth[..., 1:-1, 2:] - smooth[..., 1:-1, :-2])
        along = 0.5 * (smooth[..., 2:, 1:-1] - smooth[..., :-2, 1:-1])
        steep = (across * across + along * along) * (1.0 / half**2)
        return steep * steep / (1.0 + steep * steep)

    def noise(self, image: Tensor) -> Tensor:
        """The noise estimate before its low-pass part is removed, from the detail and the local brightness."""
        level = self.low_pass(image)
        detail = F.pixel_unshuffle((image - level) * DETAIL_SCALE, SPLIT)
        x = torch.cat([detail, F.avg_pool2d(level, SPLIT)], 1)
        for step in self.steps[:-1]:
            x = F.relu(step(x))
        return F.pixel_shuffle(self.steps[-1](x), SPLIT) * (1.0 / DETAIL_SCALE)

    def low_pass(self, image: Tensor) -> Tensor:
        """Gaussian of KEPT_SIGMA_PX, mirrored at the edges."""
        return blurred(image, self.kernel)


def blurred(image: Tensor, kernel: Tensor) -> Tensor:
    """(N, 1, H, W) along both axes with a one-dimensional kernel, mirrored at the edges."""
    reach = (kernel.numel() - 1) // 2
    wide = F.pad(image, (reach, reach, reach, reach), mode="reflect")
    return F.conv2d(F.conv2d(wide, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def gaussian(sigma_px: float) -> Tensor:
    """One-dimensional kernel to 3 σ, sum 1."""
    reach = math.ceil(3.0 * sigma_px)
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma_px) ** 2)
    return kernel / kernel.sum()


def reach_px() -> int:
    """Maximum distance in pixels at which one pixel influences another; tiles must overlap by this."""
    return SPLIT * LAYERS + 3 * math.ceil(3.0 * KEPT_SIGMA_PX) + math.ceil(3.0 * EDGE_SIGMA_PX) + 1
