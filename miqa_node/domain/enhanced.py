"""An enhanced copy of an image: what it was made from, by which steps, and how it differs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from miqa_node.domain.assessment import ModelIdentity
from miqa_node.domain.image import Radiograph

DIFFERENCE_GAIN = 8.0
"""How much stronger than it is the difference is shown: a sixteenth of the display range fills the picture."""


@dataclass(frozen=True, slots=True)
class Enhanced:
    """``image`` stands beside ``source`` and never in its place: same size, same range of stored values, same window.

    ``methods`` are the names of the methods in order, ``steps`` what each did in words; ``model`` is the package of
    the learned one.
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
        """What was added to the display, in shares of its range: float32 (rows, columns), negative is darker."""
        before, after = self.source.display, self.image.display
        return (after.astype(np.float32) - before.astype(np.float32)) / np.float32(65535)

    @property
    def difference_picture(self) -> NDArray[np.uint16]:
        """The difference as a picture, amplified DIFFERENCE_GAIN times: middle gray means no change."""
        shown = np.clip(0.5 + np.float32(DIFFERENCE_GAIN) * self.difference, 0.0, 1.0)
        return np.asarray(np.rint(shown * np.float32(65535)), np.uint16)
