"""Reads the images for the object network: boxes as labels, what was read of each, the house's split by patient."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from miqa_node.features.labels.annotations import DEVICES_ONLY, NO_BOXES
from miqa_training.datasets import (
    EQUIPMENT,
    REMOVABLE_KINDS,
    DatasetRecord,
    clear_images,
    held_out,
    may_ship,
    objects_of,
    read_records,
)
from miqa_training.objects.bank import PieceKind
from miqa_training.objects.network import MAPS
from miqa_training.objects.variation import MOST_BOXES, ObjectSet

FOLDER = "objects_train"
NOTHING = "none"
"""Class of images on which a reader saw neither anything that can be taken off nor a device."""
STORED_PX = 640
"""Longer side at which images are kept for training: a little more than the network sees, to be turned and enlarged."""
PERCENTILES = (0.5, 99.5)
MAP_OF = {"external_object": 0, "monitoring": 1, "implant": 1, EQUIPMENT: 1, "tube_line": 2}
"""The map of each annotated kind; burned-in markers have none."""
DOUBTFUL_CHILDREN = frozenset(f"ker512_{number:04}.jpg" for number in (3, 7, 9, 11, 14, 22, 25, 35))
"""Unread images that show something at their edges or leads; the others of the source were looked at: no object."""
CHOOSING_FOLDER, SECOND_CHOOSING_FOLDER = "objects_eval", "objects_eval_2"
DOUBTFUL = "doubtful"
"""Class of images of which a reader is not sure whether what they show can be taken off: they say nothing."""
MAIN_DEVICES_OUTSIDE = 0.3
"""Weight of "no device here" where only the main devices were drawn; where the reader looked for removable ones, 0."""


class Drawing(StrEnum):
    """What an image shows and how it was read."""

    REMOVABLE = "removable"
    REMOVABLE_ALL_READ = "removable, all read"
    DEVICES_UNDRAWN = "devices, not drawn"
    DEVICES = "devices"
    NOTHING = "nothing"


SHARES = {Drawing.REMOVABLE: 0.25, Drawing.REMOVABLE_ALL_READ: 0.17, Drawing.DEVICES_UNDRAWN: 0.2,
          Drawing.DEVICES: 0.18, Drawing.NOTHING: 0.2}  # fmt: skip
"""Share of a batch that each kind of image gets."""


class Reading(StrEnum):
    """What a reader drew."""

    EVERYTHING = "everything"
    MAIN_DEVICES = "main devices"
    """All removable objects, but only the main devices."""
    PRESENCE = "presence"
    """No box at all: only whether there are devices."""


@dataclass(frozen=True, slots=True)
class ObjectExample:
    """One image with its boxes; ``devices`` says that there are devices whose places nobody drew."""

    record: DatasetRecord
    reading: Reading
    devices: bool = False

    @property
    def removable(self) -> bool:
        """Whether something removable was drawn for certain."""
        return any(o.kind in REMOVABLE_KINDS and o.sure for o in self.record.objects or ())

    @property
    def drawing(self) -> Drawing:
        """What it shows and how it was read."""
        if self.removable:
            read = self.reading is Reading.MAIN_DEVICES
            return Drawing.REMOVABLE if read else Drawing.REMOVABLE_ALL_READ
        if self.devices:
            return Drawing.DEVICES_UNDRAWN
        return Drawing.DEVICES if self.record.has_device else Drawing.NOTHING


@dataclass(frozen=True, slots=True)
class ObjectExamples:
    """Examples for fitting, of held-out patients of the same hospitals, and of other hospitals (which only choose).

    ``choosing`` was read by class, so its devices count whether or not they are drawn. ``second`` chose no weight: it
    has other patients of one of these hospitals.
    """

    fitting: list[ObjectExample]
    held_out: list[ObjectExample]
    development: list[ObjectExample]
    choosing: list[ObjectExample]
    second: list[ObjectExample]


def read_examples(data_dir: Path) -> ObjectExamples:
    """All images that were read, from ``cxr_train``, ``objects_train``, ``cxr_eval`` and the two sets that choose.

    Only images whose licence allows shipped weights are for fitting, and only of patients that every package fits on.
    """
    train = data_dir / "cxr_train"
    records = read_records(train, data_dir / "annotations" / "train.jsonl", clear_images())
    examples = {r.path.resolve(): ObjectExample(r, Reading.EVERYTHING) for r in records if r.objects is not None}
    for record in records:
        if record.source == "ker512" and record.objects is None and record.path.name not in DOUBTFUL_CHILDREN:
            examples[record.path.resolve()] = ObjectExample(replace(record, objects=()), Reading.EVERYTHING)
    for example in _second_collection(data_dir / FOLDER):
        earlier = examples.get(example.record.path.resolve())
        if earlier is None or not earlier.record.objects or example.reading is Reading.MAIN_DEVICES:
            examples[example.record.path.resolve()] = example
    usable = [e for e in examples.values() if may_ship(e.record) and e.record.split != "trial"]
    shown = read_records(data_dir / "cxr_eval", data_dir / "annotations" / "eval.jsonl")
    return ObjectExamples(
        [e for e in usable if not held_out(e.record)],
        [e for e in usable if held_out(e.record)],
        [ObjectExample(r, Reading.EVERYTHING) for r in shown if r.objects is not None],
        _second_collection(data_dir / CHOOSING_FOLDER),
        _second_collection(data_dir / SECOND_CHOOSING_FOLDER),
    )


def _second_collection(folder: Path) -> list[ObjectExample]:
    """The images of a folder whose annotations have classes, and may say how complete their boxes are."""
    lines = map(json.loads, (folder / "annotations.jsonl").read_text(encoding="utf-8").splitlines())
    rows = {row["file"]: row for row in lines}
    examples = []
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            drawn = rows[row["file"]]
            if drawn["class"] == DOUBTFUL:
                continue
            path = folder / row["file"] if "/" in row["file"] else folder / "images" / row["file"]
            record = DatasetRecord(
                path=path, source=row["source_set"], licence=row["licence"], patient=row["patient"], view=row["view"],
                notes=row["notes"], objects=objects_of(drawn), split=row["split"],
                long_side_px=max(int(row["width"] or 0), int(row["height"] or 0)),
            )  # fmt: skip
            examples.append(example_of(drawn, record))
    return examples


def example_of(line: Mapping[str, Any], record: DatasetRecord) -> ObjectExample:
    """The image of an annotation line; its class and completeness say what was read of it."""
    devices = line["class"] == DEVICES_ONLY
    drawn = any(MAP_OF.get(o.kind) in {1, 2} for o in record.objects or ())
    return ObjectExample(record, _reading(line), devices and not drawn)


def _reading(line: Mapping[str, Any]) -> Reading:
    if "boxes" not in line:
        return Reading.EVERYTHING
    by_eye = Reading.EVERYTHING if line["class"] == NOTHING else Reading.PRESENCE
    return Reading.MAIN_DEVICES if line["boxes"] != NO_BOXES else by_eye


def pixels_of(path: Path) -> NDArray[np.uint8]:
    """The gray pixels of a file; ValueError if it cannot be decoded."""
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        msg = f"cannot decode {path.name}"
        raise ValueError(msg)
    return np.asarray(pixels, np.uint8)


def picture_of(path: Path, side_px: int = STORED_PX) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The image between its percentiles, longer side ``side_px``, in the upper left corner of a square; its shares."""
    pixels = pixels_of(path)
    low, high = np.percentile(pixels, PERCENTILES)
    values = np.clip((pixels.astype(np.float32) - low) / max(high - low, 1.0), 0, 1)
    scale = side_px / max(pixels.shape)
    rows, columns = (max(1, round(side * scale)) for side in pixels.shape)
    small = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.zeros((side_px, side_px), np.uint8)
    square[:rows, :columns] = np.rint(small * 255)
    return square, (columns / side_px, rows / side_px)


def object_set(
    examples: Sequence[ObjectExample], pictures: Sequence[tuple[NDArray[np.uint8], tuple[float, float]]] | None = None
) -> ObjectSet:
    """Tensors of the examples and their pictures; without these for figures only."""
    count = len(examples)
    pictures = [(np.zeros((1, 1), np.uint8), (1.0, 1.0))] * count if pictures is None else pictures
    boxes, kind = np.zeros((count, MOST_BOXES, 4), np.float32), np.full((count, MOST_BOXES), -1)
    sure, outside = np.zeros((count, MOST_BOXES), np.bool_), np.ones((count, len(MAPS)), np.float32)
    somewhere = np.zeros((count, len(MAPS)), np.float32)
    for row, example in enumerate(examples):
        drawn = [o for o in example.record.objects or () if o.kind in MAP_OF]
        drawn.sort(key=lambda o: MAP_OF[o.kind])  # removable ones first: they are never the ones left out
        for place, one in enumerate(drawn[:MOST_BOXES]):
            boxes[row, place], kind[row, place], sure[row, place] = one.box, MAP_OF[one.kind], one.sure
        if example.reading is Reading.MAIN_DEVICES:
            outside[row, 1:] = 0.0 if example.removable else MAIN_DEVICES_OUTSIDE
        if example.reading is Reading.PRESENCE:
            outside[row, 1:] = 0.0
            somewhere[row, 1] = 1.0 if example.devices else 0.0
    counts = Counter(e.drawing for e in examples)
    weight = [SHARES[e.drawing] / counts[e.drawing] for e in examples]
    parts = (np.stack([p for p, _ in pictures]), np.array([c for _, c in pictures], np.float32), boxes, kind, sure,
             outside, somewhere, np.array(weight, np.float32))  # fmt: skip
    return ObjectSet(*(torch.from_numpy(part) for part in parts))


def cut_boxes(example: ObjectExample) -> list[tuple[tuple[float, ...], PieceKind]]:
    """The sure boxes of which cut-outs are made."""
    kinds = {0: PieceKind.REMOVABLE, 1: PieceKind.DEVICE}
    return [(o.box, kinds[MAP_OF[o.kind]]) for o in example.record.objects or ()
            if o.sure and MAP_OF.get(o.kind, 9) in kinds]  # fmt: skip
