"""An enhanced copy of an image: its source, the steps that made it, and the difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.model_identity import ModelIdentity

DIFFERENCE_GAIN = 8.0
"""Amplification of the displayed difference: a sixteenth of the display range fills the whole range."""


@dataclass(frozen=True, slots=True)
class EnhancedImage:
    """``image`` accompanies ``source`` and never replaces it: same size, same range of stored values, same window.

    ``methods`` names the methods in order, ``steps`` describes each in words; ``model`` is the package of the learned
    one.
    """

    source: Radiograph
    image: Radiograph
    methods: tuple[str, ...]
    steps: tuple[str, ...]
    smoothed: bool
    contrast_changed: bool
    model: ModelIdentity | None = None

    @property
    def difference(self) -> NDArray[np.float32]:
        """The change of display values as a share of their range: float32 (rows, columns), negative is darker."""
        before, after = self.source.display, self.image.display
        return (after.astype(np.float32) - before.astype(np.float32)) / np.float32(65535)

    @property
    def difference_picture(self) -> NDArray[np.uint16]:
        """The difference as a picture, amplified DIFFERENCE_GAIN times: middle gray means no change."""
        shown = np.clip(0.5 + np.float32(DIFFERENCE_GAIN) * self.difference, 0.0, 1.0)
        return np.asarray(np.rint(shown * np.float32(65535)), np.uint16)
