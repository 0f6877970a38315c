"""Section ``choices`` of a card: the figures by which network, step and limits were chosen, and what they rest on."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from miqa_node.stages.assess.section import Section

FEWEST_POSITIVES, FEWEST_SOURCES = 40, 3
"""A figure that chooses rests on as many images of what is to be found, of as many sources."""
NOTHING_CHOSEN = "chooses nothing"
CHOSEN_ON_FEWER = "Chosen on fewer: the package is older than the rule that a figure which chooses rests on 40 images"


class ChoosingFigure(Section):
    """A figure on ``positives`` images with what is to be found, of ``sources``; an empty ``chose`` is nothing."""

    figure: str
    images: str
    positives: Annotated[int, Field(ge=0)]
    sources: Annotated[int, Field(ge=0)]
    chose: str = ""

    @model_validator(mode="after")
    def _few_choose_nothing(self) -> Self:
        few = self.positives < FEWEST_POSITIVES or self.sources < FEWEST_SOURCES
        if few and self.chose:
            msg = (
                f"{self.figure} rests on {self.positives} images of {self.sources} sources: with fewer than "
                f"{FEWEST_POSITIVES} of {FEWEST_SOURCES} a figure chooses nothing"
            )
            raise ValueError(msg)
        return self


class Choices(Section):
    """What chose, and how often the images that choose were looked at."""

    looks: Annotated[int, Field(ge=0)]
    rows: Annotated[tuple[ChoosingFigure, ...], Field(min_length=1)]

    @property
    def table(self) -> list[tuple[str, ...]]:
        """The rows as people read them."""
        return [
            (row.figure, row.images, str(row.positives), str(row.sources), row.chose or NOTHING_CHOSEN)
            for row in self.rows
        ]
