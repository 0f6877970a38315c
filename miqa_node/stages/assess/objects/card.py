"""The card of an object package: one graph, its input, and the operating points of the findings that it judges."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from miqa_node.core.domain.finding import NAME_PATTERN
from miqa_node.stages.assess.card import BaseCard, Saliency, Task
from miqa_node.stages.assess.classify.picture import PictureInput
from miqa_node.stages.assess.objects.sides import CardComparison
from miqa_node.stages.assess.section import Section

INPUT, MAPS, LOGITS = "image", "maps", "logits"
TAP_DEEP, TAP_FUSED = "tap_deep", "tap_fused"
"""Activations for methods that need gradients."""
Weight = Annotated[float, Field(ge=0, le=1)]


class ObjectFinding(Section):
    """One finding: a column of ``logits``, probability = 1 / (1 + exp(−(logit + bias) / temperature)).

    ``evidence`` weighs the graph's maps; the map of the finding is the highest of the weighed maps in each cell.
    """

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    temperature: Annotated[float, Field(gt=0)]
    bias: float
    evidence: tuple[Weight, ...]


class ObjectCard(BaseCard):
    """Its findings take the place of the quality package's of the same names; docs/reference/model-package.md."""

    task: Literal[Task.OBJECTS] = Task.OBJECTS
    picture: PictureInput
    findings: Annotated[tuple[ObjectFinding, ...], Field(min_length=1)]
    saliency: Saliency
    comparison: CardComparison | None = None
