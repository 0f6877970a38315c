"""All data for training and calibrating the quality model, read from the data folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pydicom.data
from numpy.typing import NDArray

from miqa_training.datasets import (
    REAL_KINDS,
    DatasetRecord,
    ImageCache,
    clear_images,
    read_records,
    training_split,
)
from miqa_training.degrade import Image, pitch_of
from miqa_training.degrade.cutouts import cut_out
from miqa_training.site_labels import read_site_labels

CACHE = Path(".cache/training")
OTHER_BODY_PARTS = ("MR2_UNCR.dcm", "US1_UNCR.dcm", "693_UNCR.dcm", "liver.dcm", "eCT_Supplemental.dcm")
"""Files of pydicom-data (MIT) other than chests; the extremity RG3 is kept for tests."""
OTHER_TEST_FILES = ("CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm", "examples_palette.dcm")
"""Files of pydicom (MIT) other than chests."""
LARGEST_CUTOUT = 0.16
"""A box wider or higher than this share of the image holds runs of leads, not one object."""


@dataclass(frozen=True, slots=True)
class QualityData:
    """Records for fitting, of held-out patients, and of another hospital (operating points only); their pixels.

    ``development`` holds the images of ``cxr_eval``, used only to choose operating points; not in the cache.
    """

    fitting: list[DatasetRecord]
    held_out: list[DatasetRecord]
    other_hospital: list[DatasetRecord]
    cache: ImageCache
    others: list[NDArray[np.uint8]]
    development: list[DatasetRecord] = field(default_factory=list)


def read_quality_data(data_dir: Path, cache_dir: Path = CACHE, labels: Path | None = None) -> QualityData:
    """Read ``cxr_train`` and the training annotations; OpenIST serves operating points only, never weights.

    ``labels`` is an export of a site's own labels; its images are used for training as well.
    """
    records = read_records(data_dir / "cxr_train", data_dir / "annotations" / "train.jsonl", clear_images())
    records += read_site_labels(labels) if labels is not None else []
    cache = ImageCache(cache_dir, [r.path for r in records])
    fitting, held_out = training_split(records)
    other_hospital = [r for r in records if r.source == "openist"]
    shown = data_dir / "cxr_eval"
    shown_records = (
        read_records(shown, data_dir / "annotations" / "eval.jsonl") if (shown / "manifest.csv").is_file() else []
    )
    return QualityData(fitting, held_out, other_hospital, cache, other_body_parts(), shown_records)


def other_body_parts() -> list[NDArray[np.uint8]]:
    """8-bit images other than frontal chest radiographs from public test files; files not installed are skipped."""
    images = []
    for name in (*OTHER_BODY_PARTS, *OTHER_TEST_FILES):
        path = pydicom.data.get_testdata_file(name, download=False)
        if path is None:
            continue
        pixels = np.asarray(pydicom.dcmread(str(path)).pixel_array)
        while pixels.ndim > 2:
            pixels = pixels[..., 0] if pixels.shape[-1] in {3, 4} else pixels[len(pixels) // 2]
        low, high = np.percentile(pixels, (0.5, 99.5))
        grey = np.clip((pixels - low) / max(float(high - low), 1.0), 0, 1) * 255
        scale = max(1.0, 256 / min(grey.shape))
        images.append(np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), np.uint8))
    return images


def real_cutouts(
    records: Sequence[DatasetRecord], cache: ImageCache, kinds: Collection[str] = REAL_KINDS
) -> list[tuple[Image, float]]:
    """Real objects of the given kinds cut from annotated images, each with its pitch in mm; in memory only."""
    pieces = []
    for record in records:
        drawn = [box for box in record.objects or () if box.kind in kinds and box.sure]
        if not drawn:
            continue
        image = cache[record.path].astype(np.float32) / np.float32(255)
        for box in drawn:
            x0, y0, x1, y1 = box.box
            if max(x1 - x0, y1 - y0) <= LARGEST_CUTOUT:
                piece = cut_out(image, box.box)
                if piece is not None:
                    pieces.append((piece, pitch_of(image)))
    return pieces
