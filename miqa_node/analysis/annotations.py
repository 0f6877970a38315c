"""Writes what readers marked on an image as a line of object annotations, the format that training reads.

One JSON object a line: ``file``; ``objects``, each with ``box`` (x0, y0, x1, y1 as fractions of the image), ``kind``,
``what`` and ``sure``; ``class``; ``boxes``, which says how complete they are; ``comment``; and what training asks of an
image: ``patient``, ``modality``, ``body_part``, ``view``.
"""

from __future__ import annotations

from typing import Any

from miqa_node.domain.finding import FindingName
from miqa_node.domain.label import LabelOrigin, ReaderOpinion, RegionOutline
from miqa_node.domain.object_kind import ObjectKind
from miqa_node.taxonomy.lookup import gate_names

EXTERNAL, DEVICES_ONLY, NO_EXTERNAL = "external", "devices_only", "no_external"
"""Classes of images: something can be taken off; a reader marked devices only; or nothing can be taken off, and nobody
was asked about devices."""
REMOVABLE_COMPLETE = "external_object boxes complete, device boxes the main ones only"
NO_BOXES = "no boxes drawn; class by eye only"
DIGITS = 4

_EXTERNAL_OBJECT, _EQUIPMENT = "external_object", "equipment"
_SPECIFIC = frozenset({ObjectKind.NECK, ObjectKind.CLOTHES, ObjectKind.SNAP})
"""Kinds of what can be taken off that say more than that it can."""


def annotation(opinion: ReaderOpinion, *, good: bool) -> dict[str, Any] | None:
    """Objects, class and completeness of an image; None if a reader left open whether something can be taken off.

    Who marks objects marks all that can be taken off. Without marks an image shows nothing of that kind if it is
    ``good``, or if a reader named other findings; the reason of a flag, which stands where nobody named any, is none.
    """
    findings = set(opinion.findings or ())
    if findings & set(gate_names()):
        return None
    objects = [one for region in opinion.regions if (one := _object(region, opinion)) is not None]
    if any(one["kind"] == _EXTERNAL_OBJECT for one in objects):
        return _line(objects, EXTERNAL, REMOVABLE_COMPLETE)
    if FindingName.FOREIGN_OBJECT in findings:
        return None
    if objects:
        return _line(objects, DEVICES_ONLY, REMOVABLE_COMPLETE)
    named = bool(findings) and (bool(opinion.regions) or opinion.origin is not LabelOrigin.DECISION)
    return _line([], NO_EXTERNAL, NO_BOXES) if good or named else None


def region_finding(region: RegionOutline, opinion: ReaderOpinion) -> str:
    """The finding that a region is of: its own, else the only one of the image; empty if it cannot be told."""
    only = opinion.findings or ()
    return region.finding or (only[0] if len(only) == 1 else "")


def _object(region: RegionOutline, opinion: ReaderOpinion) -> dict[str, Any] | None:
    finding = region_finding(region, opinion)
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
