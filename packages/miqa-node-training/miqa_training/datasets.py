"""Which images a model may learn from: manifests, licences, splits by patient, decoded once into a memory map."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_training.patients import FITTED, part_of

REMOVABLE_KINDS = frozenset({"external_object"})
"""Annotated kinds that can be removed; L/R markers ("annotation") are neither removable nor devices."""
EQUIPMENT = "equipment"
"""Drawn as an external object, but part of the treatment: breathing hoses, tubing, connectors (EXTERNAL_OBJECTS)."""
DEVICE_KINDS = frozenset({"monitoring", "implant", "tube_line", EQUIPMENT})
"""Annotated kinds that stay where they are."""
REAL_KINDS = frozenset({"external_object", "monitoring", "implant", EQUIPMENT})
"""Kinds that count in the combined figures of objects and devices: all except tubes and lines."""
SITE = "site"
"""Source of images with labels from a site's own readers."""
EVALUATION_HOSPITAL_URL = "ml-workgroup/covid-19-image-repository"
"""Prefix of 64 Cohen images from the Hannover hospital of the evaluation set; they are excluded from training."""


@dataclass(frozen=True, slots=True)
class ObjectBox:
    """An annotated object; ``box`` is (x0, y0, x1, y1) as fractions of the image."""

    box: tuple[float, float, float, float]
    kind: str
    sure: bool


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One image of a manifest. ``objects`` is None if unknown.

    ``findings`` are those of the site's readers, None if the image was not read.
    """

    path: Path
    source: str
    licence: str
    patient: str
    view: str
    notes: str
    objects: tuple[ObjectBox, ...] | None = None
    grades: dict[str, Any] = field(default_factory=dict)
    long_side_px: int = 0
    split: str = ""
    """The split that the source itself assigns ("train", "test" …), if it states one."""
    findings: frozenset[str] | None = None

    @property
    def has_real_object(self) -> bool | None:
        """Whether a foreign object was annotated; None if unknown (not read, tubes, unsure)."""
        if self.objects is None:
            return None
        if any(o.kind in REAL_KINDS and o.sure for o in self.objects):
            return True
        doubtful = any(o.kind in REAL_KINDS or o.kind == "tube_line" for o in self.objects)
        return None if doubtful else False

    @property
    def has_removable(self) -> bool | None:
        """Whether a removable object was annotated; None if unknown (not read, unsure)."""
        return self._has(REMOVABLE_KINDS)

    @property
    def has_external_object(self) -> bool | None:
        """The same as the first reader drew it, equipment included."""
        return self._has(REMOVABLE_KINDS | {EQUIPMENT})

    @property
    def has_device(self) -> bool | None:
        """Whether monitoring, an implant, a tube or a line was annotated; None if unknown (not read, unsure)."""
        return self._has(DEVICE_KINDS)

    def has(self, finding: str) -> bool | None:
        """Whether an object of the finding was annotated; False for findings without objects."""
        if finding == FindingName.FOREIGN_OBJECT:
            return self.has_removable
        return self.has_device if finding == FindingName.DEVICE_IN_VIEW else False

    def _has(self, kinds: frozenset[str]) -> bool | None:
        if self.objects is None:
            return None
        sure = [o.sure for o in self.objects if o.kind in kinds]
        return True if any(sure) else None if sure else False

    @property
    def boxes(self) -> tuple[ObjectBox, ...]:
        """The annotated foreign objects, including uncertain ones."""
        return tuple(o for o in self.objects or () if o.kind in REAL_KINDS)


EXTERNAL_OBJECTS = Path(__file__).with_name("external_objects.json")
"""Boxes drawn as external objects that show equipment, or that cannot be told; all others can be taken off."""
CLEAR_IMAGES = Path(__file__).with_name("clear_images.json")
"""Training images without annotations that were checked and show no object."""


def clear_images() -> frozenset[str]:
    """File names of CLEAR_IMAGES."""
    return frozenset(json.loads(CLEAR_IMAGES.read_text(encoding="utf-8"))["files"])


def objects_of(row: Mapping[str, Any]) -> tuple[ObjectBox, ...]:
    """The objects of a reader's line, with EXTERNAL_OBJECTS applied."""
    equipment, undecided = _external_objects()
    return tuple(
        ObjectBox(
            tuple(drawn["box"]),
            EQUIPMENT if (row["file"], place) in equipment else drawn["kind"],
            bool(drawn.get("sure", True)) and (row["file"], place) not in undecided,
        )
        for place, drawn in enumerate(row["objects"])
    )


@cache
def _external_objects() -> tuple[frozenset[tuple[str, int]], frozenset[tuple[str, int]]]:
    """(file, place) of boxes with equipment, and of undecided ones."""
    boxes = json.loads(EXTERNAL_OBJECTS.read_text(encoding="utf-8"))
    equipment, undecided = (
        frozenset((file, place) for file, places in boxes[kind].items() for place in places)
        for kind in (EQUIPMENT, "undecided")
    )
    return equipment, undecided


def read_records(
    folder: Path, annotations: Path | None = None, clear: frozenset[str] = frozenset()
) -> list[DatasetRecord]:
    """The images of ``folder/manifest.csv`` with the annotations of a JSON-lines file, if there are any.

    Images in ``clear`` count as read and without objects.
    """
    drawn: dict[str, dict[str, Any]] = {}
    if annotations is not None:
        lines = annotations.read_text(encoding="utf-8").splitlines()
        drawn = {row["file"]: row for row in map(json.loads, lines)}
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return [_record(folder, row, drawn.get(row["file"]), row["file"] in clear) for row in csv.DictReader(stream)]


def _record(folder: Path, row: dict[str, str], drawn: dict[str, Any] | None, clear: bool) -> DatasetRecord:
    objects: tuple[ObjectBox, ...] | None = () if clear else None
    if drawn is not None:
        objects = objects_of(drawn)
    return DatasetRecord(
        path=folder / row["file"],
        source=row["source_set"],
        licence=row["licence"],
        patient=row["patient"],
        view=row["view"],
        notes=row["notes"],
        objects=objects,
        grades=dict(drawn["quality"]) if drawn else {},
        long_side_px=max(int(row.get("width") or 0), int(row.get("height") or 0)),
        split=row.get("split", ""),
    )


def may_ship(record: DatasetRecord) -> bool:
    """Whether weights trained on the image may be distributed and its hospital is not in the evaluation set.

    NIH (free use, attribution), Kermany and Cohen under CC BY; not OpenIST, whose licence is unknown. A site decides
    about its own images.
    """
    if record.source in {"nih", SITE} or record.source.startswith("ker"):
        return True
    return (
        record.source == "cohen" and record.licence.startswith("CC BY") and EVALUATION_HOSPITAL_URL not in record.notes
    )


def held_out(record: DatasetRecord) -> bool:
    """Whether the patient is held out from fitting; the same in every run.

    Never for a site's own images: operating points need images known to be clean before defects are simulated.
    """
    return record.source != SITE and part_of(record.source, record.patient) not in FITTED


def training_split(records: Iterable[DatasetRecord]) -> tuple[list[DatasetRecord], list[DatasetRecord]]:
    """(for fitting, held out) of the records that may be used for shipped weights, split by patient."""
    allowed = [r for r in records if may_ship(r)]
    return [r for r in allowed if not held_out(r)], [r for r in allowed if held_out(r)]


class ImageCache:
    """Decoded 8-bit grey images of many files in one memory map, created at first use.

    The folder holds ``<digest>.u8`` and ``<digest>.json``; the digest is of the names and sizes of the files.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        named = json.dumps([(p.name, p.stat().st_size) for p in paths])
        digest = hashlib.sha256(named.encode()).hexdigest()[:16]
        data, index = folder / f"{digest}.u8", folder / f"{digest}.json"
        if not index.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _decode_all(paths, data, index)
        self._index: dict[str, tuple[int, int, int]] = {k: tuple(v) for k, v in json.loads(index.read_text()).items()}
        self._data = data
        self._pixels = np.memmap(data, np.uint8, "r")

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes map the file again instead of getting its bytes."""
        return {"_index": self._index, "_data": self._data}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._index, self._data = state["_index"], state["_data"]
        self._pixels = np.memmap(self._data, np.uint8, "r")

    def __getitem__(self, path: Path) -> NDArray[np.uint8]:
        """The image's pixels (rows, columns), read-only."""
        start, rows, columns = self._index[path.name]
        return self._pixels[start : start + rows * columns].reshape(rows, columns)


def _decode_all(paths: Sequence[Path], data: Path, index: Path) -> None:
    offsets, position = {}, 0
    part = data.with_suffix(".part")  # gigabytes: what a killed run left is overwritten by the next, not kept beside it
    with part.open("wb") as stream:
        for path in paths:
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if image is None:
                msg = f"cannot decode {path.name}"
                raise ValueError(msg)
            offsets[path.name] = (position, int(image.shape[0]), int(image.shape[1]))
            position += stream.write(np.ascontiguousarray(image).tobytes())
    part.rename(data)
    index.write_text(json.dumps(offsets), encoding="utf-8")
