"""The section ``anomaly`` of a package's card: which features it uses, and which file describes ordinary images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from miqa_node.assess.section import Section


class TapBlock(Section):
    """Mean and standard deviation over the places of each channel of outputs of the graph, (1, C, rows, columns)."""

    kind: Literal["taps"] = "taps"
    tensors: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]


class HogBlock(Section):
    """Histograms of oriented gradients of the global view (:mod:`~miqa_node.assess.anomaly.hog`)."""

    kind: Literal["hog"] = "hog"


Block = Annotated[TapBlock | HogBlock, Field(discriminator="kind")]


class AnomalySection(Section):
    """How the score is made: the features of all blocks side by side, then the forest in ``file``.

    A block whose arrays in the file have a projection is reduced by it first. ``regions`` is the output of the graph
    whose places are compared with those of ordinary images, None for no map; a map is made from ``map_percentile`` on.
    ``training`` and ``metrics`` are for people.
    """

    file: str
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=8)]
    regions: str | None = None
    map_percentile: Annotated[float, Field(ge=0, le=100)] = 95.0
    training: dict[str, Any] = Field(default={})
    metrics: dict[str, Any] = Field(default={})

    @property
    def tensors(self) -> tuple[str, ...]:
        """Outputs of the graph that the score uses."""
        named = [name for block in self.blocks if isinstance(block, TapBlock) for name in block.tensors]
        return tuple(dict.fromkeys([*named, *([self.regions] if self.regions else [])]))
