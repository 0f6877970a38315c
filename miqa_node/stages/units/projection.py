"""A single X-ray exposure: assessed as soon as it is stored, and reported as destinations request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from miqa_node.core.domain import derivation
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.domain.instance import Header, InstanceDigest, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.errors import MiqaError
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import ReportSubject
from miqa_node.stages.units.base import Unit, UnitContext
from miqa_node.stages.units.image import image_outputs, judge_image, reported_image, with_kind
from miqa_node.stages.units.kinds import is_projection
from miqa_node.stages.units.rows import exposures

log = structlog.get_logger(__name__)


class ProjectionUnit(Unit):
    """CR, DX, MG, intra-oral and panoramic images, single frames of XA and RF, and digitised film."""

    name = "projection"
    is_exposure = True

    def covers(self, header: Header) -> bool:
        """See :func:`~miqa_node.stages.units.kinds.is_projection`."""
        return is_projection(header)

    def judge(self, instance: StoredInstance, context: UnitContext) -> AssessorResult:
        """Measurements always, findings if a model covers the image; no verdict on what derives from a plain image."""
        result = with_kind(judge_image(instance, context), instance.header)
        derived = _derived(instance, context)
        return _unjudged(result, derived) if derived else result

    def restated(self, instance: StoredInstance, assessment: Assessment, context: UnitContext) -> Assessment:
        """Without a judgement if its plain image came meanwhile."""
        derived = _derived(instance, context)
        if not derived or assessment.derived:
            return assessment
        return _unjudged(AssessorResult(assessment), derived).assessment

    def outputs(self, judgement: Judgement, context: UnitContext) -> Sequence[MadeObject]:
        """Report, segmentation, key object and other objects that destinations request."""
        return image_outputs(judgement, context, _enhancing(judgement.instance, context))

    def subject(
        self, instance: StoredInstance, assessment: Assessment, context: UnitContext, *, amends: bool = False
    ) -> ReportSubject:
        """The image with its maps and pixels."""
        return reported_image(instance, assessment, context, _enhancing(instance, context), amends=amends)


def _derived(instance: StoredInstance, context: UnitContext) -> str:
    header = instance.header
    if not any(derivation.rank(header)):
        return ""
    with context.database.begin() as transaction:
        others = exposures.others(transaction, instance)
    return derivation.derived_reason(header, [one.header for one in others])


def _unjudged(result: AssessorResult, derived: str) -> AssessorResult:
    """Only what was measured: what a model of plain radiographs says of such an image means nothing."""
    nothing = Assessment(result.assessment.digest, result.assessment.header, result.assessment.assessed_at)
    judged = ("findings", "gate", "anomaly", "score", "model", "calibration", "contributions", "predictions",
              "landmarks", "objects", "caption")  # fmt: skip
    without: dict[str, Any] = {name: getattr(nothing, name) for name in judged}
    assessment = replace(result.assessment, **without, not_assessed=derived, derived=derived)
    return AssessorResult(assessment)


def _enhancing(instance: StoredInstance, context: UnitContext) -> Callable[[Radiograph], EnhancedImage | None] | None:
    enhance = context.reporting.enhance
    return None if enhance is None else partial(_enhance, enhance, instance.digest)


def _enhance(
    enhance: Callable[[Radiograph], EnhancedImage], digest: InstanceDigest, radiograph: Radiograph
) -> EnhancedImage | None:
    try:
        return enhance(radiograph)
    except MiqaError as error:  # the copy is optional: report and verdict are sent without it
        log.error("not enhanced", digest=digest[:16], reason=str(error))
        return None


UNIT = ProjectionUnit()
