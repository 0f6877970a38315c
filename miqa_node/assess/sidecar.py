"""What a package beside the quality package is to the node, whatever its task: it adds to what is known of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import Header
from miqa_node.domain.policy import Disposition, PackageRule, Policy, decide_quality
from miqa_node.domain.ports import AssessorResult
from miqa_node.domain.prediction import Prediction


@dataclass(frozen=True, slots=True)
class ImageContext:
    """One image as the packages before have left it, the policy in force, and its rule on this package."""

    header: Header
    radiograph: Radiograph
    judgement: AssessorResult
    policy: Policy
    rule: PackageRule

    @property
    def disposition(self) -> Disposition:
        """What the quality of the image alone gives it."""
        return decide_quality(self.judgement.assessment, self.policy)

    def with_prediction(self, prediction: Prediction) -> AssessorResult:
        """The judgement with one prediction more."""
        assessment = self.judgement.assessment
        predictions = (*assessment.predictions, prediction)
        return replace(self.judgement, assessment=replace(assessment, predictions=predictions))


class SidecarModel(Protocol):
    """A package that passed its checks and runs beside the quality package; used from several threads."""

    @property
    def name(self) -> str:
        """``<name>-<version>``."""

    @property
    def provider(self) -> str:
        """The execution provider that runs its graphs."""

    @property
    def golden_differences(self) -> Mapping[str, float]:
        """How far each golden's results here are from the expected ones."""

    def contribute(self, context: ImageContext) -> AssessorResult:
        """The judgement with what this package adds: an anomaly score, a prediction, maps. Nothing is taken away."""
