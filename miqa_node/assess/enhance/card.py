"""The card of a denoiser's package: how the graph is fed, and what it may change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from miqa_node.assess.card import BaseCard, Task


class Tiles(BaseModel):
    """Large images are denoised in squares that overlap by what the graph looks at, so no seam can be seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size_px: Annotated[int, Field(ge=64, le=4096)]
    overlap_px: Annotated[int, Field(ge=2, le=512)]
    multiple_px: Annotated[int, Field(ge=1, le=64)]
    """Sides of a tile are multiples of this."""


class DenoiserCard(BaseCard):
    """One graph from ``image`` to ``denoised``, both (1, 1, rows, columns) float32: 0 is black, 1 is white."""

    task: Literal[Task.ENHANCEMENT] = Task.ENHANCEMENT
    tiles: Tiles
