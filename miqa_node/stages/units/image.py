"""Common functions of projection images and other images: one decoded image, judged alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.domain.instance import Header, StoredInstance
from miqa_node.core.domain.judgement import Judgement
from miqa_node.core.domain.ports import Assessor, AssessorResult
from miqa_node.core.observe.stages import StageClock
from miqa_node.dicom.pixels.preview import preview_png
from miqa_node.dicom.pixels.representative import representative_frame
from miqa_node.stages.measure.base import frames_measures
from miqa_node.stages.measure.frames import frames_numbers
from miqa_node.stages.report.image import ReportedImage
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import ReportSubject, make_objects
from miqa_node.stages.units.again import earlier_reports, withdrawals
from miqa_node.stages.units.base import Decode, FileJudge, JudgedImage, UnitContext, with_conflict
from miqa_node.stages.units.kinds import experimental_reason, image_traits, is_slide, untried_reason

PREVIEW_SIDE = 512
"""Longer side, in pixels, of the preview for pages."""


def judge_image(instance: StoredInstance, context: UnitContext) -> AssessorResult:
    """Decode and judge the representative frame, store its preview, and offer it to the shadow model."""
    judging, traits = context.judging, image_traits(instance.header)
    path, frame = context.artifacts.path(instance.object_key), frame_of(instance, context)
    judged = judging.image(instance, path, frame)
    context.artifacts.keep_preview(instance.digest, judged.preview)
    if judging.shadow is not None:
        judging.shadow.offer(instance.header, path, frame, instance.digest, traits)
    result = _with_frames(judged.result, instance, path, context)
    return with_conflict(result, conflicting=instance.conflicting)


def _with_frames(result: AssessorResult, instance: StoredInstance, path: Path, context: UnitContext) -> AssessorResult:
    """The result, with what is measured of all frames: only the representative one was judged."""
    if not frames_measures(instance.header):
        return result
    clock, tools = StageClock(), context.imaging.for_slices(instance.calling_ae_title)
    numbers = clock.time("measure", lambda: frames_numbers(instance.header, (instance.digest, path), tools))
    assessment = result.assessment
    measurements = (*assessment.measurements, *numbers.measurements)
    left_out = (*assessment.left_out, *numbers.left_out)
    taken_ms = assessment.timings_ms.get("measure", 0.0) + clock.milliseconds["measure"]
    timings_ms = {**assessment.timings_ms, "measure": round(taken_ms, 1)}
    assessment = replace(assessment, measurements=measurements, left_out=left_out, timings_ms=timings_ms)
    return replace(result, assessment=assessment)


def with_kind(result: AssessorResult, header: Header, unfit: str = "") -> AssessorResult:
    """The result; if no model judged the image, with the reason that its kind gives, or why it is ``unfit``.

    That says more than a model's "not what I was made for".
    """
    assessment = result.assessment
    if not assessment.not_assessed:
        gate = assessment.finding(FindingName.GATE)
        is_outside = gate is not None and gate.present
        return replace(result, assessment=replace(assessment, unfit=unfit)) if is_outside else result
    why = unfit or experimental_reason(header, measured=bool(assessment.measurements))
    experimental = why if why == untried_reason(header) else assessment.experimental
    not_assessed = why or assessment.not_assessed
    return replace(
        result, assessment=replace(assessment, not_assessed=not_assessed, experimental=experimental, unfit=unfit)
    )


def judge_here(decode: Decode, assessor: Callable[[], Assessor]) -> FileJudge:
    """An :class:`~miqa_node.stages.units.base.FileJudge` that works in this process."""

    def judge(instance: StoredInstance, path: Path, frame: int) -> JudgedImage:
        clock = StageClock()
        radiograph = clock.time("decode", lambda: decode(path, frame))
        result = assessor().assess(instance.header, radiograph, instance.digest, image_traits(instance.header))
        timings_ms = {**clock.milliseconds, **result.assessment.timings_ms}
        result = replace(result, assessment=replace(result.assessment, timings_ms=timings_ms))
        return JudgedImage(result, preview_png(radiograph, PREVIEW_SIDE))

    return judge


def image_outputs(
    judgement: Judgement, context: UnitContext, enhance: Callable[[Radiograph], EnhancedImage | None] | None = None
) -> Sequence[MadeObject]:
    """Report, segmentation, key object and other objects that destinations request."""
    instance = judgement.instance
    image = reported_image(instance, judgement.assessment, context, enhance, amends=instance.generation > 0)
    return [*make(image, judgement, context), *withdrawals(judgement, context)]


def make(
    subject: ReportSubject, judgement: Judgement, context: UnitContext, kinds: set[ResultKind] | None = None
) -> Sequence[MadeObject]:
    """The objects about the subject that destinations request; limited to ``kinds`` if given."""
    reporting, sender = context.reporting, judgement.instance.calling_ae_title
    kinds = reporting.kinds() if kinds is None else kinds
    return reporting.run(
        make_objects, subject, judgement.assessment, judgement.disposition, reporting.settings, kinds, sender=sender
    )


def reported_image(
    instance: StoredInstance,
    assessment: Assessment,
    context: UnitContext,
    enhance: Callable[[Radiograph], EnhancedImage | None] | None = None,
    *,
    amends: bool = False,
) -> ReportedImage:
    """The image with its maps and access to its pixels; with ``amends`` its report replaces the newest one."""
    source, frame = context.artifacts.path(instance.object_key), frame_of(instance, context)
    # Pixels are not kept between the stages: an output that needs them decodes them again.
    decode = partial(context.reporting.decode, source, frame) if assessment.decoder else None
    return ReportedImage(
        source,
        context.artifacts.maps(instance.digest, instance.generation),
        decode,
        enhance,
        earlier_reports(instance, context) if amends else (),
        frame + 1,
    )


def frame_of(instance: StoredInstance, context: UnitContext) -> int:
    """The frame that represents the image, counted from 0."""
    if instance.header.number_of_frames <= 1:
        return 0
    return representative_frame(context.artifacts.path(instance.object_key), is_slide=is_slide(instance.header))


def keep_preview(instance: StoredInstance, radiograph: Radiograph, context: UnitContext) -> None:
    """Store the preview for pages."""
    context.artifacts.keep_preview(instance.digest, preview_png(radiograph, PREVIEW_SIDE))
