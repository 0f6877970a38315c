"""What projection images and other images have in common: one decoded image, judged alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from miqa_node.domain.assessment import Assessment
from miqa_node.domain.enhanced import Enhanced
from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import StoredInstance
from miqa_node.domain.policy import Disposition
from miqa_node.domain.ports import AssessorResult
from miqa_node.imaging.preview import preview_png
from miqa_node.imaging.representative import representative_frame
from miqa_node.observe.stages import StageClock
from miqa_node.report import MadeObject, ReportedImage, make_objects
from miqa_node.units.again import earlier_reports, withdrawals
from miqa_node.units.base import UnitContext, with_conflict
from miqa_node.units.kinds import image_traits, is_slide

PREVIEW_SIDE = 512
"""Longer side, in pixels, of the preview that pages show."""


def read_image(instance: StoredInstance, context: UnitContext, clock: StageClock) -> Radiograph:
    """Decode the frame that represents the object and keep a preview; DecodeError gives the reason if that fails."""
    source, frame = context.artifacts.path(instance.object_key), frame_of(instance, context)
    radiograph = clock.time("decode", lambda: context.imaging.decode(source, frame))
    keep_preview(instance, radiograph, context)
    return radiograph


def judge_image(instance: StoredInstance, radiograph: Radiograph, context: UnitContext) -> AssessorResult:
    """Have the models in force judge the image, and offer it to the shadow model."""
    judging, traits = context.judging, image_traits(instance.header)
    result = judging.assessor().assess(instance.header, radiograph, instance.digest, traits)
    if judging.shadow is not None:
        judging.shadow.offer(instance.header, radiograph, instance.digest, traits)
    return with_conflict(result, conflicting=instance.conflicting)


def image_outputs(
    instance: StoredInstance,
    assessment: Assessment,
    disposition: Disposition,
    context: UnitContext,
    enhance: Callable[[Radiograph], Enhanced | None] | None = None,
) -> Sequence[MadeObject]:
    """Report, segmentation, key object and whatever else a destination asks for."""
    image = reported_image(instance, assessment, context, enhance, amends=instance.generation > 0)
    made = make_objects(image, assessment, disposition, context.reporting.settings, context.reporting.kinds())
    return [*made, *withdrawals(instance, assessment, disposition, context)]


def reported_image(
    instance: StoredInstance,
    assessment: Assessment,
    context: UnitContext,
    enhance: Callable[[Radiograph], Enhanced | None] | None = None,
    *,
    amends: bool = False,
) -> ReportedImage:
    """The image with its maps and a way to its pixels; with ``amends`` its report replaces the newest one."""
    source, frame = context.artifacts.path(instance.object_key), frame_of(instance, context)
    # Pixels are not kept between durable steps: an output that needs them has them decoded once more.
    decode = partial(context.imaging.decode, source, frame) if assessment.decoder else None
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
    """Keep the small picture that pages show."""
    context.artifacts.keep_preview(instance.digest, preview_png(radiograph, PREVIEW_SIDE))
