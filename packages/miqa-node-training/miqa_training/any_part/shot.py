"""A picture on its way through the simulators of any radiograph, and what they draw from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from miqa_training.any_part.masks import MaskBank

USUAL_FIELD_MM = 400.0


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture on its way through the simulators, with what they draw from."""

    image: Tensor
    rng: np.random.Generator
    masks: MaskBank
    other: Tensor
    """Another picture of any size."""

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch by convention."""
        return float(USUAL_FIELD_MM / max(self.image.shape))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number between the two."""
        return float(self.rng.uniform(low, high))

    def normal(self) -> Tensor:
        """White noise of the picture's size."""
        return torch.randn(self.image.shape, device=self.image.device)

    def coordinates(self) -> tuple[Tensor, Tensor]:
        """Row (H, 1) and column (1, W), 0 to 1."""
        rows, columns = self.image.shape
        device = self.image.device
        return (
            torch.linspace(0, 1, rows, device=device)[:, None],
            torch.linspace(0, 1, columns, device=device)[None],
        )


Result = tuple[Tensor, bool]
Way = Callable[[Shot, float], Result]
