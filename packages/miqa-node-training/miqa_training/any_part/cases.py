"""The images that figures are about: parts as they are found, and with each kept defect, as features on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.files.whole_file import whole_file
from miqa_training.any_part.corpus import read_grey
from miqa_training.any_part.kept import KEPT, Picture, Plate
from miqa_training.any_part.records import PartRecord
from miqa_training.any_part.table import ReadFeatures
from miqa_training.degrade import pitch_of
from miqa_training.scores import eight_bits

LEVELS = (0.5, 0.75, 1.0)
LARGEST_PX = 2048
SEED = 17
EVERY = 10
"""Of images that weights may not learn from (one body part, 331 pixels) every tenth gets defects."""


@dataclass(frozen=True, slots=True)
class CaseTable:
    """M images: what was made of each ("" nothing), how severe, features and numbers, source and file."""

    made: NDArray[np.str_]
    level: NDArray[np.float64]
    features: NDArray[np.float32]
    numbers: NDArray[np.float32]
    source: NDArray[np.str_]
    name: NDArray[np.str_]

    @property
    def clean(self) -> NDArray[np.bool_]:
        """The images as found."""
        return np.asarray(self.made == "", np.bool_)


def collect_cases(
    parts: Sequence[PartRecord], reader: ReadFeatures, folder: Path, done: Callable[[int], None] = lambda _: None
) -> None:
    """Write a file for each image that has none yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(parts):
        path = folder / f"{part.path.stem}.npz"
        if not path.exists():
            other = _display(parts[(number * 7 + 3) % len(parts)].path)
            rows = _rows(part, number, other, reader)
            names = [field.name for field in fields(CaseTable)]
            columns: dict[str, Any] = {name: np.array([row[at] for row in rows]) for at, name in enumerate(names)}
            with whole_file(path) as unfinished, unfinished.open("wb") as stream:
                np.savez(stream, **columns)
        done(number)


def read_cases(folder: Path) -> CaseTable:
    """All files of a folder."""
    files = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    return CaseTable(*(np.concatenate([one[field.name] for one in files]) for field in fields(CaseTable)))


def _rows(part: PartRecord, number: int, other: Picture, reader: ReadFeatures) -> list[tuple[object, ...]]:
    image = _display(part.path)
    made: list[tuple[str, float, Picture]] = [("", 0.0, image)]
    for place, (name, way) in enumerate(KEPT.items() if part.trains or number % EVERY == 0 else ()):
        level = LEVELS[(number + place) % len(LEVELS)]
        plate = Plate(image, other, level, np.random.default_rng((SEED, number, place)), pitch_of(image))
        changed = way(plate)
        if changed is not None:
            made.append((str(name), level, changed))
    return [(name, level, *reader(eight_bits(changed)), part.source, part.path.name) for name, level, changed in made]


def _display(path: Path) -> Picture:
    pixels = read_grey(path)
    scale = LARGEST_PX / max(pixels.shape)
    if scale < 1.0:
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(pixels.astype(np.float32) / np.float32(255))
