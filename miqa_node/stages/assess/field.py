"""Judges the part of the matrix that belongs to the image, as if it were the whole: without padding and shutter.

A border around the image would look like a chest that is small or cut off. Places and maps of the result refer to the
full matrix again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np

from miqa_node.core.domain.finding import Finding
from miqa_node.core.domain.image import Radiograph, SaliencyMap, SaliencyMaps
from miqa_node.core.domain.instance import Header, InstanceDigest
from miqa_node.core.domain.landmarks import Landmarks
from miqa_node.core.domain.ports import AssessorResult
from miqa_node.core.domain.traits import ImageTraits

Judge = Callable[[Header, Radiograph, InstanceDigest, ImageTraits], AssessorResult]
LEAST_SHARE = 0.02
"""A smaller rectangle of valid pixels is not an image; then the whole matrix is judged."""

Point = tuple[float, float]
N = TypeVar("N", bound=str)


@dataclass(frozen=True, slots=True)
class ImageField:
    """The bounding box of the valid pixels in a matrix of ``shape`` (rows, columns)."""

    top: int
    left: int
    rows: int
    columns: int
    shape: tuple[int, int]

    def point(self, inside: Point) -> Point:
        """(x, y) as fractions of the matrix, from fractions of the field."""
        x, y = inside
        rows, columns = self.shape
        return round((self.left + x * self.columns) / columns, 4), round((self.top + y * self.rows) / rows, 4)

    def map(self, saliency: SaliencyMap) -> SaliencyMap:
        """The map over the whole matrix: 0 outside the field, cells about as large as before."""
        high, wide = saliency.values.shape
        rows = max(1, round(high * self.shape[0] / self.rows))
        columns = max(1, round(wide * self.shape[1] / self.columns))
        # Cell centres of the matrix in cells of the field; outside of it the border value counts.
        y = ((np.arange(rows) + 0.5) / rows * self.shape[0] - self.top) / self.rows * high - 0.5
        x = ((np.arange(columns) + 0.5) / columns * self.shape[1] - self.left) / self.columns * wide - 0.5
        across, down = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        values = cv2.remap(saliency.values, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        return replace(saliency, values=values.astype(np.float32, copy=False))


def judge_field(
    judge: Judge, header: Header, radiograph: Radiograph, digest: InstanceDigest, traits: ImageTraits
) -> AssessorResult:
    """What ``judge`` says of the field, with places in the full matrix."""
    field = field_of(radiograph)
    if field is None:
        return judge(header, radiograph, digest, traits)
    declared = (header.rows, header.columns) == radiograph.shape
    own = replace(header, rows=field.rows, columns=field.columns) if declared else header
    result = judge(own, _part(radiograph, field), digest, traits)
    return _in_matrix(result, field, header)


def field_of(radiograph: Radiograph) -> ImageField | None:
    """The part of an image that is not the whole matrix; None if it is, or if next to nothing is valid."""
    if radiograph.valid is None:
        return None
    down = np.flatnonzero(radiograph.valid.any(axis=1))
    across = np.flatnonzero(radiograph.valid.any(axis=0))
    if not len(down):
        return None
    rows, columns = int(down[-1] - down[0]) + 1, int(across[-1] - across[0]) + 1
    whole = radiograph.shape
    if (rows, columns) == whole or rows * columns < LEAST_SHARE * whole[0] * whole[1]:
        return None
    return ImageField(int(down[0]), int(across[0]), rows, columns, whole)


def point_in_matrix(part: Radiograph, inside: Point) -> Point:
    """(x, y) as fractions of the full matrix, from fractions of the part that is judged."""
    return ImageField(*part.corner, *part.shape, part.matrix_shape).point(inside)


def _part(radiograph: Radiograph, field: ImageField) -> Radiograph:
    box = slice(field.top, field.top + field.rows), slice(field.left, field.left + field.columns)
    valid = None if radiograph.valid is None else np.ascontiguousarray(radiograph.valid[box])
    return replace(
        radiograph,
        stored=np.ascontiguousarray(radiograph.stored[box]),
        display=np.ascontiguousarray(radiograph.display[box]),
        valid=None if valid is None or valid.all() else valid,
        colour=None if radiograph.colour is None else np.ascontiguousarray(radiograph.colour[box]),
        corner=(field.top, field.left),
        matrix=field.shape,
    )


def _in_matrix(result: AssessorResult, field: ImageField, header: Header) -> AssessorResult:
    assessment = replace(
        result.assessment,
        header=header,
        findings=tuple(_finding(one, field) for one in result.assessment.findings),
        landmarks=None if result.assessment.landmarks is None else _landmarks(result.assessment.landmarks, field),
    )
    maps = result.maps
    return AssessorResult(
        assessment,
        SaliencyMaps(
            _maps(maps.findings, field),
            None if maps.anomaly is None else field.map(maps.anomaly),
            _maps(maps.predictions, field),
        ),
    )


def _maps(maps: Mapping[N, SaliencyMap], field: ImageField) -> dict[N, SaliencyMap]:
    return {name: field.map(one) for name, one in maps.items()}


def _finding(finding: Finding, field: ImageField) -> Finding:
    return finding if finding.peak is None else replace(finding, peak=field.point(finding.peak))


def _landmarks(landmarks: Landmarks, field: ImageField) -> Landmarks:
    markers = []
    for marker in landmarks.markers:
        x, y = field.point((marker.x, marker.y))
        markers.append(replace(marker, x=x, y=y))
    return replace(
        landmarks,
        points={name: field.point(point) for name, point in landmarks.points.items()},
        lungs={side: tuple(field.point(point) for point in outline) for side, outline in landmarks.lungs.items()},
        markers=tuple(markers),
    )
