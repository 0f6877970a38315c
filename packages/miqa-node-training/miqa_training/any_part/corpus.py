"""The pictures that the network for any radiograph learns from, decoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from miqa_training.any_part.records import PartRecord
from miqa_training.any_part.sampler import UNDECIDED, Picture
from miqa_training.datasets import DatasetRecord, clear_images, read_records, training_split
from miqa_training.samples import GRADED_AS

PARTS_SHARE = 0.75
"""Share of samples that show another part than a frontal chest; every source counts by the root of its images."""
CHEST = "chest"
FINE_PX, FINE_WEIGHT, COARSE_CHEST_WEIGHT = 700, 1.5, 0.45
"""Pictures with more pixels than this along the longer side are drawn more often: there are few of them."""


def fitting_chests(data_dir: Path) -> list[DatasetRecord]:
    """Frontal chests of patients for fitting."""
    return training_split(_chests(data_dir))[0]


def _chests(data_dir: Path) -> list[DatasetRecord]:
    annotations = data_dir / "annotations" / "train.jsonl"
    return read_records(data_dir / "cxr_train", annotations, clear_images())


def pictures_of(parts: Sequence[PartRecord], chests: Sequence[DatasetRecord]) -> list[Picture]:
    """Parts and chests with their shares of the samples."""
    chosen = list(parts)
    counts = Counter(part.source for part in chosen)
    total = sum(count**0.5 for count in counts.values())
    pictures = []
    for part in chosen:
        pixels = read_grey(part.path)
        weight = PARTS_SHARE * counts[part.source] ** -0.5 / total
        undecided = frozenset(str(finding) for word, finding in UNDECIDED.items() if word in part.notes.lower())
        pictures.append(_picture(pixels, part.path.name, part.source, weight, undecided))
    for record in chests:
        undecided = frozenset(str(finding) for grade, finding in GRADED_AS.items() if record.grades.get(grade, 0) > 0)
        weight = (1.0 - PARTS_SHARE) / len(chests)
        weight *= 1.0 if record.long_side_px > FINE_PX else COARSE_CHEST_WEIGHT
        pictures.append(_picture(read_grey(record.path), record.path.name, CHEST, weight, undecided))
    return pictures


def _picture(pixels: NDArray[np.uint8], name: str, source: str, weight: float, undecided: frozenset[str]) -> Picture:
    weight *= FINE_WEIGHT if max(pixels.shape) > FINE_PX else 1.0
    return Picture(torch.from_numpy(pixels), name, source, weight, undecided)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """A file's pixels as 8 bits of grey; 16-bit files are taken as stretched to their full range."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"cannot decode {path.name}")
    if image.ndim == 3:
        image = cv2.cvtColor(image[..., :3], cv2.COLOR_BGR2GRAY)
    if image.dtype == np.uint16:
        image = np.rint(image / 257.0)
    return np.ascontiguousarray(image, np.uint8)
