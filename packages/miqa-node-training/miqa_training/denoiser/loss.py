"""Loss of the denoiser: a small error relative to the noise, and edges as steep as before."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it

ROOT_AT = 1e-3
"""Error at which the loss turns from quadratic to linear (Charbonnier), in display units: a quarter of a grey level."""
LEAST_NOISE = 4e-3
"""Below a grey level, noise counts less and less."""
EDGE_SLOPE = 0.015
"""Display units per pixel, in the original smoothed over three pixels: a steeper slope is an edge, not grain."""
EDGE_WEIGHT = 3.0
"""Weight of a slope error on an edge relative to elsewhere."""
LEAST_EDGE_PX = 40
"""Minimum number of edge pixels for a patch to count in the slope term."""
GRADIENT_SHARE, SLOPE_SHARE = 0.5, 0.5


def denoising_loss(denoised: Tensor, noisy: Tensor, original: Tensor) -> Tensor:
    """Loss of patches (N, 1, H, W): error of the values, error of the slopes, and missing slope of the edges.

    Minimising the error alone flattens edges, weak ones most: where edge and noise cannot be distinguished, the mean of
    both is the best guess. The other two terms penalise that.
    """
    slopes, clean, dirty = (gradient(image) for image in (denoised, original, noisy))
    edge = edges(original)
    apart = ((slopes - clean) ** 2 + ROOT_AT**2).sqrt()
    before = ((dirty - clean) ** 2).mean((1, 2, 3)).sqrt()
    steepness = ((1.0 + EDGE_WEIGHT * edge) * apart).mean((1, 2, 3)) / (before + LEAST_NOISE)
    error = relative_error(denoised, noisy, original)
    return error + GRADIENT_SHARE * steepness.mean() + SLOPE_SHARE * missing_slope(slopes, clean, edge)


def relative_error(denoised: Tensor, noisy: Tensor, original: Tensor) -> Tensor:
    """Distance from the original as a share of the noise of the patch: weak noise counts as much as strong noise."""
    before = ((noisy - original) ** 2).mean((1, 2, 3)).sqrt()
    distance = ((denoised - original) ** 2 + ROOT_AT**2).sqrt().mean((1, 2, 3))
    return (distance / (before + LEAST_NOISE)).mean()


def missing_slope(slopes: Tensor, clean: Tensor, edge: Tensor) -> Tensor:
    """Mean square of the share of the edges' slope that a patch lost or gained; 0 if no patch has edges."""
    slope = (edge * slopes * clean).sum((1, 2, 3)) / ((edge * clean * clean).sum((1, 2, 3)) + 1e-6)
    weight = (edge.sum((1, 2, 3)) >= LEAST_EDGE_PX).to(slopes.dtype)
    return (weight * (1.0 - slope) ** 2).sum() / weight.sum().clamp_min(1.0)


def gradient(image: Tensor) -> Tensor:
    """(N, 2, H - 2, W - 2): half the difference of the neighbours across and along."""
    across = 0.5 * (image[..., 1:-1, 2:] - image[..., 1:-1, :-2])
    along = 0.5 * (image[..., 2:, 1:-1] - image[..., :-2, 1:-1])
    return torch.cat([across, along], 1)


def edges(original: Tensor) -> Tensor:
    """1 where the original has an edge, (N, 1, H - 2, W - 2)."""
    smooth = F.avg_pool2d(F.pad(original, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return (gradient(smooth).square().sum(1, keepdim=True).sqrt() > EDGE_SLOPE).to(original.dtype)
