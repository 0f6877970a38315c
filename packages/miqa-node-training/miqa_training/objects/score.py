"""What the evidence maps of an image say of the image: several cells, and both maps against each other.

The mean of the highest evidence of something removable, and of the highest that is left where devices are taken off it.
Regularised logistic regression on held-out patients of the training hospitals weighs the two alike, and finds no use
for the amount of evidence (.960 to .963 with it, .963 without), so there is nothing to fit.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

SHARPNESS = 4.0
"""Of the soft maximum over the cells: close to the highest, but with a gradient at every cell that has evidence. With
the maximum itself, methods that need gradients could only repeat the highest cell."""


def image_scores(evidence: Tensor) -> Tensor:
    """(N, 2): logits of something removable, and of a device, of the logits (N, 3, h, w) of the maps."""
    removable, devices = evidence[:, 0], torch.maximum(evidence[:, 1], evidence[:, 2])
    against = removable - F.softplus(devices)
    worn = 0.5 * (soft_maximum(removable) + soft_maximum(against))
    return torch.stack([worn, soft_maximum(devices)], 1)


def soft_maximum(values: Tensor) -> Tensor:
    """(N,): a little above the highest of (N, h, w)."""
    return torch.logsumexp(values * SHARPNESS, (1, 2)) / SHARPNESS
