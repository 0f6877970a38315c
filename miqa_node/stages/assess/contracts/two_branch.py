"""The contract of the shipped networks: the whole image, downscaled, and crops at nearly native pitch."""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.stages.assess.card import Card
from miqa_node.stages.assess.contracts.base import (
    LOGITS,
    MAPS,
    SEVERITY,
    Array,
    Arrays,
    Contract,
    GraphInputs,
    MapTensors,
    ModelMaterial,
)
from miqa_node.stages.assess.goldens import golden_radiograph
from miqa_node.stages.assess.preprocess import prepare
from miqa_node.stages.assess.session import GraphSession

GLOBAL_VIEW, CROPS, NUMBERS = "global_view", "crops", "numbers"


class TwoBranch(Contract):
    """Inputs ``global_view`` (1, 1, rows, columns) and ``crops`` (K, 1, size, size), made as ``preprocess`` specifies.

    Where ``preprocess.numbers`` names N numbers there is a third one, ``numbers`` (1, 2·N).
    Outputs: ``logits`` and ``severity`` (1, C), and the class maps (1, C, rows, columns) that ``saliency.maps`` names.
    """

    name = "two_branch"
    needs_measurements = False

    def tensors(self, card: Card) -> tuple[Sequence[str], Sequence[str]]:
        """See the class."""
        inputs = (GLOBAL_VIEW, CROPS, NUMBERS) if card.preprocess.numbers else (GLOBAL_VIEW, CROPS)
        return inputs, (LOGITS, SEVERITY, card.saliency.maps)

    def prepare(self, card: Card, material: ModelMaterial) -> GraphInputs:
        """See :mod:`miqa_node.stages.assess.preprocess`."""
        return prepare(material.image.display, material.image.valid, card.preprocess, material.header)

    def run(self, card: Card, session: GraphSession, inputs: Arrays, further: Sequence[str] = ()) -> dict[str, Array]:
        """The class maps come as ``maps``."""
        outputs = super().run(card, session, inputs, further)
        return {**outputs, MAPS: outputs[card.saliency.maps]}

    def golden(self, card: Card, data: bytes) -> ModelMaterial:
        """A grayscale PNG of presentation values."""
        return ModelMaterial(golden_radiograph(card.label, data))

    def map_tensors(self, card: Card) -> MapTensors:
        """Maps cover the global view, without the crops. The view's mean is 0."""
        return MapTensors(GLOBAL_VIEW, LOGITS, card.saliency.maps, card.saliency.taps, grey=0.0)


TWO_BRANCH = TwoBranch()
