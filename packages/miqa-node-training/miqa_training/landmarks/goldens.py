"""Small images with the networks' results: a phantom and the public chest of pydicom-data.

Images of collections are never goldens; these images may be kept in a repository.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from miqa_node.stages.assess.landmarks.estimate import LandmarkNetwork
from miqa_node.stages.assess.landmarks.sidecar import golden_values
from miqa_training.degrade import Image, gate
from miqa_training.degrade.sheet import public_chest

LONG_SIDE_PX = 360


def write_goldens(folder: Path, reader: LandmarkNetwork) -> list[str]:
    """Write ``<name>.png`` and ``<name>.json`` for each golden."""
    folder.mkdir(parents=True, exist_ok=True)
    chest = public_chest(LONG_SIDE_PX)
    rows, columns = chest.shape
    images = {
        "chest": chest,
        "chest_mirrored": np.ascontiguousarray(chest[:, ::-1]),
        "chest_cut": np.ascontiguousarray(chest[: round(0.62 * rows), : round(0.9 * columns)]),
        "chest_marker": _with_letter(chest),
        "phantom": gate.phantom((360, 320), np.random.default_rng(5)),
    }
    for name, image in images.items():
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        if not cv2.imwrite(str(folder / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            raise OSError(f"cannot write {folder / name}.png")
        values = golden_values(reader(pixels.astype(np.uint16) * np.uint16(257)))
        (folder / f"{name}.json").write_text(json.dumps({"values": values}) + "\n", encoding="utf-8")
    return list(images)


def _with_letter(chest: Image) -> Image:
    """The chest with an L on the wrong side."""
    marked = np.rint(np.clip(chest, 0, 1) * 255).astype(np.uint8)
    place = round(0.06 * chest.shape[1]), round(0.3 * len(chest))
    cv2.putText(marked, "L", place, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 3)
    return marked.astype(np.float32) / np.float32(255)
