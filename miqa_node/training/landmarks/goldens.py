"""Small images with the outputs that the networks give for them: phantoms and the public chest of pydicom-data.

Images of the shared data never become goldens; those here may be kept in a repository.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from miqa_node.degrade import gate
from miqa_node.degrade.sheet import sample_chest
from miqa_node.training.landmarks.estimate import LandmarkReader
from miqa_node.training.landmarks.export import LandmarkEstimate
from miqa_node.training.landmarks.points import POINTS, SIDES

LONG_SIDE_PX = 360


def write_goldens(folder: Path, reader: LandmarkReader, chest_file: Path) -> list[str]:
    """Write ``<name>.png`` and ``<name>.json`` for each golden; ``chest_file`` is a public DICOM radiograph."""
    folder.mkdir(parents=True, exist_ok=True)
    chest = sample_chest(pydicom.dcmread(chest_file).pixel_array)
    scale = LONG_SIDE_PX / max(chest.shape)
    chest = np.asarray(cv2.resize(chest, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)
    rows, columns = chest.shape
    images = {
        "chest": chest,
        "chest_mirrored": np.ascontiguousarray(chest[:, ::-1]),
        "chest_cut": np.ascontiguousarray(chest[: round(0.62 * rows), : round(0.9 * columns)]),
        "phantom": gate.phantom((360, 320), np.random.default_rng(5)),
        "blank": gate.blank((300, 360), np.random.default_rng(4)),
    }
    for name, image in images.items():
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        if not cv2.imwrite(str(folder / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"cannot write {folder / name}.png")
        text = json.dumps(as_json(reader(pixels.astype(np.float32) / np.float32(255)))) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return list(images)


def as_json(estimate: LandmarkEstimate) -> dict[str, object]:
    """Points, visibility and cut sides by name, and the remaining numbers, rounded to five digits."""
    return {
        "points": {name: _rounded(xy) for name, xy in zip(POINTS, estimate.points, strict=True)},
        "visible": dict(zip(POINTS, _rounded(estimate.visible), strict=True)),
        "cut": dict(zip(SIDES, _rounded(estimate.cut), strict=True)),
        "margin": dict(zip(SIDES, _rounded(estimate.margin), strict=True)),
        "ribs": round(estimate.ribs, 5),
        "rotation": round(estimate.rotation, 5),
        "mirrored": round(estimate.mirrored, 5),
    }


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(float(v), 5) for v in values]
