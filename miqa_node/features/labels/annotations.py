"""Writes what readers marked on an image as a line of object annotations, the format that training reads.

One JSON object a line: ``file``; ``objects``, each with ``box`` (x0, y0, x1, y1 as fractions of the image), ``kind``,
``what`` and ``sure``; ``class``; ``boxes``, which says how complete they are; ``comment``; what training asks of an
image: ``patient``, ``modality``, ``body_part``, ``view``; and why anybody looked at it: ``chosen`` and ``sampled``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.label import ImageMarks, LabelOrigin, LabelRecord, ObjectKind, ReaderOpinion, RegionOutline
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.taxonomy.lookup import gate_names
from miqa_node.stages.assess.labels import CHOSEN_AT_RANDOM

EXTERNAL, DEVICES_ONLY, NO_EXTERNAL = "external", "devices_only", "no_external"
"""Classes of images: something can be taken off; a reader marked devices only; or nothing can be taken off, and nobody
was asked about devices."""
REMOVABLE_COMPLETE = "external_object boxes complete, device boxes the main ones only"
NO_BOXES = "no boxes drawn; class by eye only"
DIGITS = 4

_EXTERNAL_OBJECT, _EQUIPMENT = "external_object", "equipment"
_SPECIFIC = frozenset({ObjectKind.NECK, ObjectKind.CLOTHES, ObjectKind.SNAP})
"""Kinds of what can be taken off that say more than that it can."""


class Choice(StrEnum):
    """Why anybody looked at an image. Flagged and random ones, weighted by how rarely they are drawn, stand for all."""

    RANDOM = "random"
    """The node accepted it, and drew it for a spot check."""
    FLAGGED = "flagged"
    """The node flagged it; people look at all of these."""
    PERSON = "person"
    """A person, or another system, picked it."""


def choice(label: LabelRecord | None) -> tuple[Choice, float | None]:
    """Why an image was looked at, and the probability of that; None where nobody knows it."""
    if label is not None and Verdict(label.verdict or Verdict.NOT_ASSESSED).flagged:
        return Choice.FLAGGED, 1.0
    if label is not None and label.verdict == Verdict.ACCEPT and label.judgement.origin in CHOSEN_AT_RANDOM:
        return Choice.RANDOM, label.judgement.sampled
    return Choice.PERSON, None


def image_annotation(label: LabelRecord | None, marks: ImageMarks | None, *, good: bool) -> dict[str, Any] | None:
    """Objects of an image by what was said of it last: its marks, or a judgement with objects drawn since."""
    if label is not None and set(label.judgement.findings or ()) & set(gate_names()):
        return None
    if marks is not None and (label is None or label.at <= marks.at or not _objects(label.judgement)):
        return marks_annotation(marks.regions)
    return None if label is None else annotation(label.judgement, good=good)


def marks_annotation(regions: Sequence[RegionOutline]) -> dict[str, Any]:
    """The same of objects that a person marked on an image that nobody had to judge."""
    objects = [one for region in regions if (one := _object(region, region.finding)) is not None]
    return _line_of(objects) if objects else _line([], NO_EXTERNAL, NO_BOXES)


def annotation(opinion: ReaderOpinion, *, good: bool) -> dict[str, Any] | None:
    """Objects, class and completeness of an image; None if a reader left open whether something can be taken off.

    Who marks objects marks all that can be taken off. Without marks an image shows nothing of that kind if it is
    ``good``, or if a reader named other findings; the reason of a flag, which stands where nobody named any, is none.
    """
    findings = set(opinion.findings or ())
    if findings & set(gate_names()):
        return None
    objects = _objects(opinion)
    if FindingName.FOREIGN_OBJECT in findings and not _removable(objects):
        return None
    if objects:
        return _line_of(objects)
    named = bool(findings) and (bool(opinion.regions) or opinion.origin is not LabelOrigin.DECISION)
    return _line([], NO_EXTERNAL, NO_BOXES) if good or named else None


def _line_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return _line(objects, EXTERNAL if _removable(objects) else DEVICES_ONLY, REMOVABLE_COMPLETE)


def _removable(objects: list[dict[str, Any]]) -> bool:
    return any(one["kind"] == _EXTERNAL_OBJECT for one in objects)


def region_finding(region: RegionOutline, opinion: ReaderOpinion) -> str:
    """The finding that a region is of: its own, else the only one of the image; empty if it cannot be told."""
    only = opinion.findings or ()
    return region.finding or (only[0] if len(only) == 1 else "")


def _objects(opinion: ReaderOpinion) -> list[dict[str, Any]]:
    made = (_object(region, region_finding(region, opinion)) for region in opinion.regions)
    return [one for one in made if one is not None]


def _object(region: RegionOutline, finding: str) -> dict[str, Any] | None:
    if finding == FindingName.FOREIGN_OBJECT:
        kind = _EXTERNAL_OBJECT
    elif finding == FindingName.DEVICE_IN_VIEW:
        kind = region.kind.value if region.kind and region.kind.finding == finding else _EQUIPMENT
    else:
        return None
    what = {"what": region.kind.value} if region.kind in _SPECIFIC else {}
    return {"box": [round(edge, DIGITS) for edge in region.box], "kind": kind, **what, "sure": True}


def _line(objects: list[dict[str, Any]], image_class: str, boxes: str) -> dict[str, Any]:
    return {"objects": objects, "class": image_class, "boxes": boxes, "comment": ""}
