"""Measures a series of a phantom: sorts its slices into stacks, and takes all values of the phantom's kind of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import structlog

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.features.phantoms.measure import PhantomMeasure, measures_in_order
from miqa_node.features.phantoms.stack import PhantomStack, stacks_of
from miqa_node.features.phantoms.values import PhantomReadings, PhantomValue
from miqa_node.stages.measure.series_view import SliceTools

log = structlog.get_logger(__name__)
FAILED = Phrase("The measurement failed; the log of the node says where.")


def measure_phantom(
    header: Header,
    files: Sequence[tuple[InstanceDigest, Path]],
    tools: SliceTools,
    kind: str,
) -> tuple[PhantomReadings, ...]:
    """Readings of each stack; ``files`` and ``tools`` are those with which the series is judged.

    ``kind`` is that of the assessment (``phantom_kind``), or the one that a person named. There are no readings of a
    series without a slice that can be decoded.
    """
    stacks = stacks_of(header, files, tools)
    return tuple(
        PhantomReadings(
            header.series_instance_uid, kind, values_of(stack, kind), number, len(stacks), len(stack.slices)
        )
        for number, stack in enumerate(stacks)
    )


def values_of(stack: PhantomStack, kind: str) -> tuple[PhantomValue, ...]:
    """All values of the kind; none if no measure is for it."""
    kinds = [one.value for one in PhantomKind]
    if kind not in kinds:
        return ()
    return tuple(value for measure in measures_in_order() if kind in measure.kinds for value in _taken(measure, stack))


def _taken(measure: PhantomMeasure, stack: PhantomStack) -> tuple[PhantomValue, ...]:
    """Pixels that a measure cannot cope with must not keep the others from being taken."""
    try:
        return measure.take(stack)
    except (ArithmeticError, LookupError, ValueError, cv2.error, np.linalg.LinAlgError):
        log.exception("a measure of phantoms failed", measure=measure.name)
        return measure.none(FAILED)
