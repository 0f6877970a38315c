"""What projection images and other images have in common: one decoded image, judged by itself."""

from __future__ import annotations

from miqa_node.domain.image import Radiograph
from miqa_node.domain.instance import StoredInstance
from miqa_node.domain.ports import AssessorResult
from miqa_node.imaging.preview import preview_png
from miqa_node.observe.stages import StageClock
from miqa_node.units.base import UnitContext, with_conflict

PREVIEW_SIDE = 512
"""Longer side, in pixels, of the preview that pages show."""


def read_image(instance: StoredInstance, context: UnitContext, clock: StageClock) -> Radiograph:
    """Decode the stored object and keep a preview of it; DecodeError gives the reason if it cannot be decoded."""
    source = context.artifacts.path(instance.object_key)
    radiograph = clock.time("decode", lambda: context.imaging.decode(source))
    keep_preview(instance, radiograph, context)
    return radiograph


def judge_image(instance: StoredInstance, radiograph: Radiograph, context: UnitContext) -> AssessorResult:
    """Have the models in force judge the image, and offer it to the shadow model."""
    judging = context.judging
    result = judging.assessor().assess(instance.header, radiograph, instance.digest)
    if judging.shadow is not None:
        judging.shadow.offer(instance.header, radiograph, instance.digest)
    return with_conflict(result, conflicting=instance.conflicting)


def keep_preview(instance: StoredInstance, radiograph: Radiograph, context: UnitContext) -> None:
    """Keep the small picture that pages show."""
    context.artifacts.keep_preview(instance.digest, preview_png(radiograph, PREVIEW_SIDE))
