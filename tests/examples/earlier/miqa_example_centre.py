"""Calls a graph of another shape: input ``centre`` (1, 1, 256, 256), the middle of the image, not resized.

A package chooses it with ``contract: centre_crop`` in its card.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from miqa_node.assess.card import Card
from miqa_node.assess.contracts.base import LOGITS, SEVERITY, Array, Arrays, Contract, ModelMaterial
from miqa_node.assess.goldens import golden_radiograph

miqa_api = 1
SIDE = 256


@dataclass(frozen=True)
class CentreInputs:
    """What one run gets."""

    arrays: Arrays

    def to_source(self, values: Array) -> Array:
        """No map is made of a part of the image."""
        return values


class CentreCrop(Contract):
    """Outputs ``logits`` and ``severity``, both (1, classes)."""

    name = "centre_crop"
    needs_measurements = False

    def tensors(self, _card: Card) -> tuple[Sequence[str], Sequence[str]]:
        """Names of inputs and outputs."""
        return ("centre",), (LOGITS, SEVERITY)

    def prepare(self, _card: Card, material: ModelMaterial) -> CentreInputs:
        """Presentation values of the middle, 0 black and 1 white; small images are surrounded by black."""
        display = material.image.display
        canvas = np.zeros((SIDE, SIDE), np.float32)
        rows, columns = (min(SIDE, side) for side in display.shape)
        top, left = ((side - sizes) // 2 for side, sizes in zip(display.shape, (rows, columns), strict=True))
        canvas[:rows, :columns] = display[top : top + rows, left : left + columns] / np.float32(65535)
        return CentreInputs({"centre": canvas[None, None]})

    def golden(self, card: Card, data: bytes) -> ModelMaterial:
        """Goldens are grayscale PNG files."""
        return ModelMaterial(golden_radiograph(card.label, data))


CENTRE_CROP = CentreCrop()
