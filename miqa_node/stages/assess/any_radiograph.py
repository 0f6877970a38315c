"""Judges radiographs that the quality package leaves: other body parts and views, by header or by their pixels.

Where the package's card has figures for the part, its findings count as any. For all other parts they are experimental:
listed, but they flag nothing, and such an image is never ACCEPT, unless the policy has a figure that suffices
(:mod:`miqa_node.core.domain.kept_figure`). An image whose pixels contradict the part that its header names keeps that
reason alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.kept_figure import no_figures
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.card import Task
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.assess.sidecar import ImageContext, SideTask
from miqa_node.stages.explain.explainer import Explainer

UNKNOWN_PART = Phrase("The header names no body part, and the pixels show no frontal chest beyond doubt.")


def is_left(assessment: Assessment) -> bool:
    """Whether no package judged the image, because of its header or because its pixels show another kind."""
    return bool(assessment.not_assessed) and not assessment.quarantined


def left_unsure(judgement: AssessorResult) -> AssessorResult:
    """The judgement of an image whose body part nobody knows, as one that is left: all is gone that is about a chest.

    Nobody names the part, and the pixels do not show a frontal chest beyond doubt. What its gate says stays: exchanged
    grey levels, and images with nothing on them.
    """
    assessment, gate = judgement.assessment, judgement.assessment.finding(FindingName.GATE)
    is_known = bool(assessment.header.body_part_examined or assessment.part_seen)
    if is_known or assessment.not_assessed or assessment.model is None or (gate is not None and gate.present):
        return judgement
    assessment = replace(
        assessment, findings=(), gate={}, contributions={}, anomaly=None, score=None, model=None, calibration="",
        landmarks=None, objects=None, predictions=(), not_assessed=UNKNOWN_PART,
        measurements=tuple(one for one in assessment.measurements if one.made_by is None),
    )  # fmt: skip
    return AssessorResult(assessment)


@dataclass(frozen=True, slots=True)
class AnyRadiograph:
    """See :class:`~miqa_node.stages.assess.sidecar.SidecarModel`."""

    package: Package
    assessor: ImageAssessor

    @property
    def name(self) -> str:
        """``<name>-<version>``."""
        return self.package.name

    @property
    def provider(self) -> str:
        """The execution provider that runs the graph."""
        return self.package.provider

    @property
    def golden_differences(self) -> Mapping[str, float]:
        """Difference of each golden's results here from the expected ones."""
        return self.package.golden_differences

    def contribute(self, context: ImageContext) -> AssessorResult:
        """The judgement with this package's findings and maps, if the quality package left the image."""
        assessment, radiograph, header = context.judgement.assessment, context.radiograph, context.header
        outside = radiograph.frames > 1 or self.package.card.applicability.excludes(header, radiograph.spacing_mm)
        contradicts = assessment.is_of_another_kind and bool(header.body_part_examined)
        if not is_left(assessment) or outside or contradicts:
            return context.judgement
        result = self.assessor.judge(replace(assessment, not_assessed="", model=None), radiograph)
        has_figures = header.body_part_examined in self.package.card.parts_with_figures
        why = "" if has_figures else no_figures(header)
        return replace(result, assessment=replace(result.assessment, experimental=why, has_figures=has_figures))


def open_any_radiograph(folder: Path, accelerator: Accelerator, settings: AssessSettings) -> AnyRadiograph:
    """Load and check the package.

    Raises
    ------
    ModelPackageError
        It did not pass its checks, or it judges series.
    """
    package = open_package(folder, accelerator, settings)
    if package.contract.unit != "image":
        raise ModelPackageError(
            "{package} judges series; assess.any_radiograph_package asks for one of images.", package=package.name
        )
    has_maps = package.contract.map_tensors(package.card) is not None
    explainer = Explainer(package, accelerator, settings) if has_maps else None
    return AnyRadiograph(package, ImageAssessor(package, explainer))


SIDE_TASK = SideTask(Task.QUALITY, everywhere="any-radiograph", choice=lambda settings: settings.any_radiograph_package)
"""Its packages are ones for quality, so they are opened by name and not by task."""
