"""The card of a denoiser's package: the graph's input, and the limits of its changes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from miqa_node.stages.assess.card import BaseCard, Task


class Tiles(BaseModel):
    """Large images are denoised in square tiles that overlap by the receptive field, so no seam is visible."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_px: Annotated[int, Field(ge=64, le=4096)]
    overlap_px: Annotated[int, Field(ge=2, le=512)]
    multiple_px: Annotated[int, Field(ge=1, le=64)]
    """The sides of a tile are multiples of this."""


class DenoiserCard(BaseCard):
    """One graph from ``image`` to ``denoised``, both (1, 1, rows, columns) float32: 0 is black, 1 is white."""

    task: Literal[Task.ENHANCEMENT] = Task.ENHANCEMENT
    tiles: Tiles
