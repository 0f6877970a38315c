"""The card of a landmark package: two graphs, their inputs, and the probability limits of points and findings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from miqa_node.core.domain.finding import NAME_PATTERN
from miqa_node.stages.assess.card import GRAPH_NAME, BaseCard, Task
from miqa_node.stages.assess.classify.picture import PictureInput
from miqa_node.stages.assess.landmarks.marker import MarkerInput
from miqa_node.stages.assess.landmarks.picture import CloseUpInput
from miqa_node.stages.assess.landmarks.reader_rule import ReaderRule
from miqa_node.stages.assess.section import Section

CLOSE_UP_GRAPH, MARKER_GRAPH = "close_up.onnx", "marker.onnx"
Chance = Annotated[float, Field(ge=0, le=1)]


class PositioningPoint(Section):
    """The operating point of one positioning finding: present from this probability on.

    ``rule`` makes the probability of measures of the image; without one it is the network's own.
    """

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    threshold: Chance
    rule: ReaderRule | None = None


class LandmarkCard(BaseCard):
    """``model.onnx`` sees the whole image, ``close_up.onnx`` the clavicles; docs/reference/model-package.md.

    ``marker.onnx`` reads side markers, in a package with the section ``marker``.

    A point is reported if its probability of being visible reaches ``visible_from``; nothing is reported for an image
    with fewer than ``least_points`` points.
    """

    task: Literal[Task.LANDMARKS] = Task.LANDMARKS
    picture: PictureInput
    close_up: CloseUpInput
    visible_from: Chance
    least_points: Annotated[int, Field(ge=0, le=12)]
    findings: tuple[PositioningPoint, ...]
    marker: MarkerInput | None = None

    @property
    def graphs(self) -> tuple[str, ...]:
        """Both graphs, and that of side markers in a package that reads them."""
        return (GRAPH_NAME, CLOSE_UP_GRAPH, *([MARKER_GRAPH] if self.marker else ()))
