"""The section ``anomaly`` of a package's card: which features it uses, and which file describes ordinary images."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from miqa_node.stages.assess.section import Section


class TapBlock(Section):
    """Mean and standard deviation over the places of each channel of outputs of the graph, (1, C, rows, columns)."""

    kind: Literal["taps"] = "taps"
    tensors: Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]


class HogBlock(Section):
    """Histograms of oriented gradients of the global view (:mod:`~miqa_node.stages.assess.anomaly.features`)."""

    kind: Literal["hog"] = "hog"


Block = Annotated[TapBlock | HogBlock, Field(discriminator="kind")]


class AnomalySection(Section):
    """How the score is computed: the features of all blocks, concatenated, go to the forest.

    The forest is the graph in the file ``forest``. If ``file`` has a projection for a block, it reduces the block's
    features first. ``regions`` is the graph output whose places are compared with those of ordinary images; None for no
    map. A map is made if the score reaches ``map_percentile``. ``training`` and ``metrics`` are for human readers.
    """

    file: str
    forest: str
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=8)]
    regions: str | None = None
    map_percentile: Annotated[float, Field(ge=0, le=100)] = 95.0
    training: dict[str, Any] = Field(default={})
    metrics: dict[str, Any] = Field(default={})

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that describe ordinary images."""
        return self.file, self.forest

    @property
    def tensors(self) -> tuple[str, ...]:
        """Outputs of the graph that the score uses."""
        named = [name for block in self.blocks if isinstance(block, TapBlock) for name in block.tensors]
        return tuple(dict.fromkeys([*named, *([self.regions] if self.regions else [])]))
