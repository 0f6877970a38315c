"""Interface of packages that run beside the quality package: each adds results to an image's assessment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.prediction import PackageRule, Prediction
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.stages.assess.card import BaseCard, Task
from miqa_node.stages.assess.prediction_certificate import SiteCertificates


@dataclass(frozen=True, slots=True)
class ImageContext:
    """One image with the results of the packages before, the policy in force, and its rule for this package."""

    header: Header
    radiograph: Radiograph
    judgement: AssessorResult
    policy: Policy
    rule: PackageRule
    certificates: SiteCertificates | None = None
    """The site's certificates for predictions; None where nothing is automated by them."""

    def disposition(self, *, despite_age: bool = False) -> Disposition:
        """The disposition by image quality alone; ``despite_age``: whatever the age, if that alone left it open."""
        return decide_quality(self.judgement.assessment, self.policy, despite_age=despite_age)

    def with_prediction(self, prediction: Prediction) -> AssessorResult:
        """The judgement with one more prediction."""
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
        """Difference of each golden's results here from the expected ones."""

    def contribute(self, context: ImageContext) -> AssessorResult:
        """The judgement plus this package's results: an anomaly score, a prediction, maps.

        It removes nothing, unless it sees that the image is of another kind.
        """


@dataclass(frozen=True, slots=True)
class SideTask:
    """What packages of one task are to the node: their card, and how one of them is opened.

    A package of the name ``everywhere`` runs wherever it applies, without a rule in the policy; nothing depends on it.
    It is the one that ``choice`` names, else the newest.
    """

    task: Task
    card: type[BaseCard] | None = None
    """The schema of the card; None if packages of the task have none of their own."""
    open: Callable[[Path, Accelerator, AssessSettings], SidecarModel] | None = None
    """Loads and checks a package; None if packages of the task do not run beside the quality package."""
    own: SidecarModel | None = None
    """What the task's name means in a policy where no package has it."""
    everywhere: str = ""
    choice: Callable[[AssessSettings], str] = lambda _settings: ""
