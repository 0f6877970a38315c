"""The card of a classification package: inputs of its graphs, their labels, and the calibration of the scores."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.assess.card import GRAPH_NAME, BaseCard, CardCode, Task
from miqa_node.stages.assess.classify.picture import PictureInput
from miqa_node.stages.assess.section import Section

IMAGE, LOGITS = "image", "logits"
"""Input and output of every graph."""
MAX_LABELS = 1000
MAX_MEMBERS = 16


class LabelRow(Section):
    """One column of every graph's ``logits``; ``code``, if any, is the label's coded meaning in reports."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    code: CardCode | None = None


class EnsembleMember(Section):
    """One graph of the ensemble: input ``image`` (1, channels, rows, columns), output ``logits`` (1, labels).

    Its probabilities are softmax((logits + bias) / temperature). A member of weight 0 does not affect the scores and
    is only used for the map. ``tap`` is the feature map that the package's map is made from; without it the member
    has no map.
    """

    file: str = GRAPH_NAME
    architecture: str
    temperature: Annotated[float, Field(gt=0)] = 1.0
    bias: tuple[float, ...] = ()
    weight: Annotated[float, Field(ge=0)] = 1.0
    tap: str | None = None


class Combination(Section):
    """Calibration of the members' weighted mean p: softmax((log p + bias) / temperature)."""

    temperature: Annotated[float, Field(gt=0)] = 1.0
    bias: tuple[float, ...] = ()
    mirrored: bool = False
    """Whether each member's logits are averaged over the picture and its mirror image."""


class AutomationEvidence(Section):
    """How often confident answers are wrong in one population that was not used for calibration.

    ``answers`` of the ``images`` of ``collections`` reached ``min_confidence``, and ``errors`` of them were wrong;
    ``upper_bound`` is the one-sided 95 % bound of their share (Clopper and Pearson, Biometrika 26, 1934). Predictions
    are automated only if it is at most ``max_error`` for every population, because the node does not know an image's
    population.
    """

    population: str
    collections: tuple[str, ...]
    images: Annotated[int, Field(ge=0)]
    min_confidence: Annotated[float, Field(ge=0, le=1)]
    answers: Annotated[int, Field(ge=0)]
    errors: Annotated[int, Field(ge=0)]
    upper_bound: Annotated[float, Field(ge=0, le=1)]
    max_error: Annotated[float, Field(gt=0, lt=1)]
    false_omission_rate: float | None = None
    sensitivity: float | None = None

    @property
    def suffices(self) -> bool:
        """Whether confident answers may be automated."""
        return self.upper_bound <= self.max_error

    @property
    def sentence(self) -> str:
        """What is missing, as a sentence for people."""
        if not self.answers:
            return Phrase(
                "{population}: no collection shows how often answers are wrong", population=Phrase(str(self.population))
            )
        return Phrase(
            "{population}: {errors} of {answers} confident answers were wrong, so up to {bound} may be, "
            "and {allowed} are allowed",
            population=Phrase(str(self.population)),
            errors=str(self.errors),
            answers=str(self.answers),
            bound=f"{100 * self.upper_bound:.0f} %",
            allowed=f"{100 * self.max_error:.0f} %",
        )


class OperatingPoint(Section):
    """Which label is given: ``label`` if its score reaches ``threshold``, else the most likely of the others.

    Without an operating point the most likely label is given.
    """

    label: str
    threshold: Annotated[float, Field(gt=0, lt=1)]


class MapMethod(StrEnum):
    """How the map of a label is made from features and their gradients (``onnx_vjp.maps``)."""

    GRADCAM = "gradcam"
    LAYERCAM = "layercam"


class ClassifierCard(BaseCard):
    """The card of a package with ``task: classification``.

    ``clinical`` labels describe the patient, not the image; they are decision support, not diagnosis.
    ``map_method`` makes the map from the members' taps: Grad-CAM from the last features, LayerCAM from finer ones.
    """

    task: Literal[Task.CLASSIFICATION] = Task.CLASSIFICATION
    clinical: bool
    picture: PictureInput
    labels: Annotated[tuple[LabelRow, ...], Field(min_length=2, max_length=MAX_LABELS)]
    members: Annotated[tuple[EnsembleMember, ...], Field(min_length=1, max_length=MAX_MEMBERS)]
    map_method: MapMethod = MapMethod.GRADCAM
    combination: Combination = Combination()
    operating_point: OperatingPoint | None = None
    automation: tuple[AutomationEvidence, ...] | None = None
    """The evidence that automation requires; None if automation depends on the site's rules alone."""
    audience: tuple[str, ...] = ()
    """For whom it is and for whom not, by what was measured after it was made; a sentence each."""

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the members' graph files."""
        return tuple(member.file for member in self.members)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [row.name for row in self.labels]
        if len(set(names)) != len(names):
            raise ValueError("two labels have the same name")
        if len(set(self.graphs)) != len(self.graphs):
            raise ValueError("two members name the same file")
        if not any(member.weight for member in self.members):
            raise ValueError("no member has a weight")
        biases = (*(member.bias for member in self.members), self.combination.bias)
        if any(len(bias) not in {0, len(names)} for bias in biases):
            raise ValueError("a bias must have one number for each label, or be left out")
        if self.operating_point is not None and self.operating_point.label not in names:
            raise ValueError(f"the operating point names the label {self.operating_point.label}, which there is not")
        return self
