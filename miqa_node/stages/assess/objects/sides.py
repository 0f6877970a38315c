"""What the card of an object package says of both sides of its operating point, and of what it would replace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from miqa_node.stages.assess.section import Section

OPERATING_POINT = "operating_point"
"""The figures' part with both sides."""
ALL = "all"

Share = Annotated[float, Field(ge=0, le=1)]


class ObjectSides(Section):
    """Images with something removable and the share found; images with devices only, and with nothing, called one.

    Intervals are of 95 %, where each source counts alike.
    """

    images: str
    source: str
    removable: int
    found: Share | None
    devices_only: int
    called_with_devices_only: Share | None
    nothing: int
    called_with_nothing: Share | None
    found_interval: tuple[Share, Share] | None = None
    called_with_devices_only_interval: tuple[Share, Share] | None = None
    called_with_nothing_interval: tuple[Share, Share] | None = None


class ComparedFigure(Section):
    """One figure of both ways at one source."""

    figure: str
    source: str
    before: float
    now: float
    less_is_better: bool = False

    @property
    def change(self) -> str:
        """In a word."""
        if self.now == self.before:
            return "as good"
        return "better" if (self.now < self.before) == self.less_is_better else "worse"


class CardComparison(Section):
    """Figures beside those of the ``package`` whose findings it would replace, on sources that taught neither."""

    package: str
    about: str
    rows: tuple[ComparedFigure, ...]


def both_sides(metrics: Mapping[str, Any]) -> list[ObjectSides]:
    """Both sides by kind of images and source; empty if the card does not say."""
    sides = []
    for images, figures in metrics.get(OPERATING_POINT, {}).items():
        by_source = figures if all(isinstance(one, Mapping) for one in figures.values()) else {ALL: figures}
        sides += [ObjectSides(images=images, source=source, **one) for source, one in by_source.items()]
    return sides
