"""The points that readers drew on chest radiographs: file format, spread and matching image.

``carina`` is left out because readers could rarely see it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from miqa_node.stages.assess.landmarks.points import POINTS
from miqa_training.datasets import DatasetRecord

GRADES = ("rotation", "inspiration")
"""Properties that readers graded: 0 (good), 1 (slight or moderate), 2 (marked or poor)."""
MARKS = ("scapula", "chin")
"""Objects that readers marked as present over the lungs."""
SPREAD = {
    "apex": (0.020, 0.012), "cpa": (0.015, 0.015), "dome": (0.035, 0.012), "clav": (0.012, 0.015),
    "spine": (0.012, 0.030), "lat": (0.010, 0.045),
}  # fmt: skip
"""Spread with which readers place a point, (x, y) as fractions of the image; the height of ``lat`` and the side
position of ``dome`` are inherently imprecise (README of the annotations)."""


@dataclass(frozen=True, slots=True)
class LandmarkAnnotation:
    """What one reader drew on one image.

    ``points`` (12, 2) holds x and y as fractions of the image, NaN where the reader could not see the structure.
    ``ribs`` is NaN if they were not counted. ``sure`` is the reader's own confidence, 0 to 1.
    """

    record: DatasetRecord
    points: NDArray[np.float64]
    cut: frozenset[str]
    grades: tuple[int, ...]
    marks: tuple[int, ...]
    ribs: float
    sure: float


def spreads() -> NDArray[np.float64]:
    """SPREAD of every point, shape (12, 2)."""
    return np.array([SPREAD[name.split("_", maxsplit=1)[0]] for name in POINTS])


def read_annotations(file: Path, records: Sequence[DatasetRecord]) -> list[LandmarkAnnotation]:
    """The annotations of a JSON-lines file, joined with their images by file name.

    Raises
    ------
    ValueError
        An annotated image is not among ``records``.
    """
    by_name = {record.path.name: record for record in records}
    annotations = []
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["file"] not in by_name:
            raise ValueError(f"{file.name} names {row['file']}, which is not in the manifest.")
        annotations.append(_annotation(row, by_name[row["file"]]))
    return annotations


def _annotation(row: Mapping[str, Any], record: DatasetRecord) -> LandmarkAnnotation:
    nowhere = (np.nan, np.nan)
    return LandmarkAnnotation(
        record=record,
        points=np.array([row[name] or nowhere for name in POINTS], np.float64),
        cut=frozenset(row["cut"]),
        grades=tuple(int(row[name]) for name in GRADES),
        marks=tuple(int(row[name] > 0) for name in MARKS),
        ribs=float("nan") if row["ribs"] is None else float(row["ribs"]),
        sure=float(row["sure"]),
    )
