"""Agreement of a package with readers on real images: grades, objects and devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_training.datasets import DEVICE_KINDS, REAL_KINDS, REMOVABLE_KINDS, DatasetRecord, ObjectBox
from miqa_training.hospitals import Observations, by_hospital, separation, share
from miqa_training.pointing import hit
from miqa_training.samples import COLUMN, GRADED_AS, OBJECTS
from miqa_training.scores import JudgedCase

COMPACT = 0.16
"""Maximum longer side, as a share of the image, of a box around a single object."""
THINGS = {"foreign_object": REMOVABLE_KINDS, "device_in_view": DEVICE_KINDS, "both": REAL_KINDS}
MARKED_GRADE = 2

Probability = Callable[[NDArray[np.floating]], NDArray[np.float64]]
Peak = tuple[float, float]
Truth = Callable[[DatasetRecord], bool | None]


def observations(cases: Sequence[JudgedCase], scores: NDArray[np.float64], truth: Truth) -> Observations:
    """Scores of the cases whose truth is known."""
    rows = [(case.record, score, answer) for case, score in zip(cases, scores, strict=True)
             if (answer := truth(case.record)) is not None]  # fmt: skip
    return Observations(
        np.array([score for _, score, _ in rows], np.float64),
        np.array([answer for *_, answer in rows], np.bool_),
        np.array([record.source for record, *_ in rows], np.str_),
        np.array([record.patient for record, *_ in rows], np.str_),
    )


def agreement(clean: Sequence[JudgedCase], probability: Probability) -> dict[str, Any]:
    """AUROC for each grade of the readers (any against none), for marked grades, and for usability."""
    logits = np.stack([case.logits for case in clean]).astype(np.float64)
    rows: dict[str, Any] = {}
    for grade, finding in GRADED_AS.items():
        scores = logits[:, COLUMN[finding]]
        rows[grade] = {"finding": str(finding), **by_hospital(observations(clean, scores, _any(grade)), separation)}
        marked = by_hospital(observations(clean, scores, _marked(grade)), separation)
        rows[grade] |= {"marked_macro": marked["macro"], "marked_pooled": marked["pooled"]}
    columns = [COLUMN[name] for name in defect_names() if name != FindingName.DEVICE_IN_VIEW]
    worst = probability(logits)[:, columns].max(1)
    unusable = by_hospital(observations(clean, worst, lambda r: r.grades.get("usable") != "yes"), separation)
    return rows | {"not usable": {"finding": "the highest probability of any defect", **unusable}}


def object_agreement(clean: Sequence[JudgedCase], flagged: NDArray[np.bool_]) -> dict[str, Any]:
    """Separation of objects, devices and both combined, and the effect of the operating point for objects.

    ``flagged`` (N,): which images are flagged for a foreign object.
    """
    logits = np.stack([case.logits for case in clean]).astype(np.float64)
    objects, devices = (logits[:, COLUMN[name]] for name in OBJECTS)
    both = np.maximum(objects, devices)
    called = flagged.astype(np.float64)

    def among(truth: Truth) -> dict[str, Any]:
        return by_hospital(observations(clean, called, lambda r: True if truth(r) else None), share)

    return {
        "foreign_object": by_hospital(observations(clean, objects, lambda r: r.has_removable), separation),
        "foreign_object_against_devices_only": by_hospital(
            observations(clean, objects, lambda r: r.has_removable if r.has_removable or r.has_device else None),
            separation,
        ),
        "foreign_object_against_nothing": by_hospital(
            observations(clean, objects, lambda r: None if r.has_device and not r.has_removable else r.has_removable),
            separation,
        ),
        "device_in_view": by_hospital(observations(clean, devices, lambda r: r.has_device), separation),
        "both": by_hospital(observations(clean, both, lambda r: r.has_real_object), separation),
        "called_foreign_object_with_devices_only": among(lambda r: r.has_device and r.has_removable is False),
        "called_foreign_object_with_nothing": among(lambda r: r.has_device is False and r.has_removable is False),
        "removable_found": among(lambda r: r.has_removable),
        "external_object_found": among(lambda r: r.has_external_object),
    }


def pointing(things: str, peaks: Iterable[tuple[DatasetRecord, Peak]]) -> dict[str, Any]:
    """Pointing Game for objects or devices: all boxes with and without tolerance, and compact boxes separately."""
    kinds = THINGS[things]
    rows = [(record, point, [o for o in record.objects or () if o.kind in kinds]) for record, point in peaks]
    rows = [row for row in rows if any(o.sure for o in row[2])]
    compact = [(record, point, small) for record, point, boxes in rows if (small := _compact(boxes))]
    return {
        "all": _played(rows, tolerant=True),
        "no_tolerance": _played(rows, tolerant=False),
        "compact": _played(compact, tolerant=True),
        "compact_no_tolerance": _played(compact, tolerant=False),
    }


def _played(rows: Sequence[tuple[DatasetRecord, Peak, Sequence[ObjectBox]]], *, tolerant: bool) -> dict[str, Any]:
    played = [hit(point, [box.box for box in boxes]) for _, point, boxes in rows]
    score = np.array([one.tolerant if tolerant else one.exact for one in played], np.float64)
    who = [np.array([getattr(record, name) for record, *_ in rows], np.str_) for name in ("source", "patient")]
    return by_hospital(Observations(score, score > 0, *who), share)


def _compact(boxes: Iterable[ObjectBox]) -> list[ObjectBox]:
    return [o for o in boxes if max(o.box[2] - o.box[0], o.box[3] - o.box[1]) <= COMPACT]


def _any(grade: str) -> Truth:
    return lambda record: record.grades.get(grade, 0) > 0


def _marked(grade: str) -> Truth:
    return lambda record: _known(record.grades.get(grade, 0))


def _known(grade: int) -> bool | None:
    """True for marked, False for none; slight grades are left out."""
    return None if 0 < grade < MARKED_GRADE else grade >= MARKED_GRADE
