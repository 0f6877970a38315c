"""Annotated places: rectangles, ellipses and polygons on images, from the data folder or from Object-CXR's files."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from miqa_training.datasets import held_out, may_ship, read_records

COMPACT = 0.16
"""Side of a box, as a share of the image's, up to which it is compact."""

Point = tuple[float, float]


class OutlineKind(IntEnum):
    """Kinds of outlines, numbered as Object-CXR numbers them (ANNO_TYPE_IDX)."""

    RECTANGLE = 0
    ELLIPSE = 1
    POLYGON = 2

    @classmethod
    def _missing_(cls, value: object) -> OutlineKind:
        raise ValueError(f"{value} is not a kind of outline; use 0 (rectangle), 1 (ellipse) or 2 (polygon)")


@dataclass(frozen=True, slots=True)
class Outline:
    """A place in an image; points are (x, y) as fractions of its width and height.

    Rectangle and ellipse have two points, the upper left and the lower right corner of the box around them.
    """

    kind: OutlineKind
    points: tuple[Point, ...]

    @property
    def side(self) -> float:
        """The longer side of the box around it, as a share of the image's."""
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return max(max(across) - min(across), max(down) - min(down))

    def contains(self, point: Point, tolerance: float = 0.0) -> bool:
        """Whether the point lies inside, or at most ``tolerance`` (share of the side) beside it."""
        x, y = point
        if self.kind is OutlineKind.POLYGON:
            corners = np.array(self.points, np.float32)
            return cv2.pointPolygonTest(corners, (x, y), measureDist=True) >= -tolerance
        (x0, y0), (x1, y1) = self.points
        if self.kind is OutlineKind.RECTANGLE:
            return x0 - tolerance <= x <= x1 + tolerance and y0 - tolerance <= y <= y1 + tolerance
        wide, high = (x1 - x0) / 2 + tolerance, (y1 - y0) / 2 + tolerance
        if wide <= 0.0 or high <= 0.0:
            return False
        return ((x - (x0 + x1) / 2) / wide) ** 2 + ((y - (y0 + y1) / 2) / high) ** 2 <= 1.0

    def mask(self, rows: int, columns: int) -> NDArray[np.bool_]:
        """Cells of a grid over the image whose centre lies inside; the nearest cell if the outline is smaller."""
        corners = np.array(self.points)
        inside = np.zeros((rows, columns), bool)
        left, top = np.floor(corners.min(0).clip(0, 1) * (columns, rows)).astype(int)
        right, bottom = np.ceil(corners.max(0).clip(0, 1) * (columns, rows)).astype(int)
        for row in range(top, bottom):
            for column in range(left, right):
                inside[row, column] = self.contains(((column + 0.5) / columns, (row + 0.5) / rows))
        if not inside.any():
            middle = corners.mean(axis=0)
            inside[min(int(middle[1] * rows), rows - 1), min(int(middle[0] * columns), columns - 1)] = True
        return inside


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image file with its outlines; images of one ``patient`` are correlated, ``source`` is a hospital."""

    path: Path
    patient: str
    outlines: tuple[Outline, ...]
    source: str = ""

    @property
    def compact(self) -> bool:
        """Whether all that is drawn is small, so that only a map that points gets a hit."""
        return all(one.side <= COMPACT for one in self.outlines)


def inside_any(outlines: Sequence[Outline], rows: int, columns: int) -> NDArray[np.bool_]:
    """Cells that lie inside at least one outline."""
    made = np.zeros((rows, columns), bool)
    for outline in outlines:
        made |= outline.mask(rows, columns)
    return made


def box(x0: float, y0: float, x1: float, y1: float) -> Outline:
    """A rectangle by its corners, fractions of the image."""
    return Outline(OutlineKind.RECTANGLE, ((x0, y0), (x1, y1)))


def real_objects(data_dir: Path, *, choosing: bool = False) -> list[AnnotatedImage]:
    """Images on which a reader was sure of a foreign object or device, with all boxes.

    From ``cxr_eval``, hospitals that no model saw; or, for ``choosing`` a method or a setting, from the held-out
    patients of ``cxr_train``. A choice made on the evaluation images could not be evaluated on them.
    """
    if choosing:
        records = read_records(data_dir / "cxr_train", data_dir / "annotations" / "train.jsonl")
        records = [r for r in records if may_ship(r) and held_out(r)]
    else:
        records = read_records(data_dir / "cxr_eval", data_dir / "annotations" / "eval.jsonl")
    return [
        AnnotatedImage(r.path, r.patient, tuple(box(*b.box) for b in r.boxes), r.source)
        for r in records
        if r.has_real_object
    ]


def pathologies(data_dir: Path) -> list[AnnotatedImage]:
    """Images of ``cxr_boxes`` with radiologists' boxes of disease (for the pneumonia package)."""
    folder = data_dir / "cxr_boxes"
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return [_pathology(folder, row) for row in csv.DictReader(stream) if json.loads(row["boxes"] or "[]")]


def object_cxr(folder: Path, part: str = "dev") -> list[AnnotatedImage]:
    """The images with foreign objects of a part of Object-CXR (JF Healthcare, MIDL 2020), as it was published.

    ``folder/<part>.csv`` has two columns, the image's name and its annotation: outlines separated by ";", each "kind x1
    y1 x2 y2 …" in pixels from the upper left corner. Images are in ``folder/<part>/`` or beside the file; images
    without annotation have no object and are left out of the Pointing Game.

    Raises
    ------
    ValueError
        The file is not in that format, or an image is missing; the message names the line.
    FileNotFoundError
        There is no such file.
    """
    table = folder / f"{part}.csv"
    images = []
    with table.open(encoding="utf-8", newline="") as stream:
        for number, row in enumerate(csv.reader(stream), 1):
            if number == 1 and len(row) == 2 and row[0].strip().startswith("image"):
                continue  # image_name or image_path, annotation
            if len(row) != 2:
                msg = f"{table.name}, line {number}: two columns are expected, there are {len(row)}"
                raise ValueError(msg)
            if row[1].strip():
                images.append(_object_cxr_image(table, part, number, row))
    return images


def _object_cxr_image(table: Path, part: str, number: int, row: Sequence[str]) -> AnnotatedImage:
    name = Path(row[0].strip()).name
    path = next((p for p in (table.parent / part / name, table.parent / name) if p.is_file()), None)
    if path is None:
        msg = f"{table.name}, line {number}: {name} is neither in {part}/ nor beside the file"
        raise ValueError(msg)
    with Picture.open(path) as picture:
        columns, rows = picture.size
    try:
        outlines = tuple(_outline(text, columns, rows) for text in row[1].split(";") if text.strip())
    except ValueError as error:
        msg = f"{table.name}, line {number}: {error}"
        raise ValueError(msg) from error
    return AnnotatedImage(path, name, outlines)


def _outline(text: str, columns: int, rows: int) -> Outline:
    first, *numbers = text.split()
    kind, values = OutlineKind(int(first)), [float(n) for n in numbers]
    enough = len(values) >= 6 and len(values) % 2 == 0 if kind is OutlineKind.POLYGON else len(values) == 4
    if not enough:
        msg = f"a {kind.name.lower()} cannot have {len(values)} numbers"
        raise ValueError(msg)
    pairs = zip(values[::2], values[1::2], strict=True)
    return Outline(kind, tuple((x / columns, y / rows) for x, y in pairs))


def _pathology(folder: Path, row: dict[str, str]) -> AnnotatedImage:
    columns, rows = float(row["width"]), float(row["height"])
    boxes: list[Any] = json.loads(row["boxes"])
    drawn = [box(x / columns, y / rows, (x + w) / columns, (y + h) / rows) for x, y, w, h, *_ in boxes]
    return AnnotatedImage(folder / row["file"], row["patient"], tuple(drawn))
