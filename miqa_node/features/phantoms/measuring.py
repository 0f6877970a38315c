"""Measures a series of a phantom: sorts its slices into stacks, and takes all values of the phantom's kind of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.features.phantoms.measures import MEASURES
from miqa_node.features.phantoms.stack import PhantomStack, stacks_of
from miqa_node.features.phantoms.values import PhantomReadings, PhantomValue
from miqa_node.stages.measure.series_view import SliceTools


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
    known = [one.value for one in PhantomKind]
    if kind not in known:
        return ()
    return tuple(value for measure in MEASURES if kind in measure.kinds for value in measure.take(stack))
