"""Makes small hospitals for tests: manifests, annotations and images of the public sample chest, none like another."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_training.degrade import degrade
from miqa_training.degrade.sheet import sample_chest

SIDE_PX = 340
COLUMNS = ("file", "source_set", "licence", "patient", "view", "notes", "population")


def chest(number: int) -> NDArray[np.float32]:
    """The sample chest as the ``number``-th patient: other framing, tone and grain."""
    data_store = importlib.import_module("data_store")
    stored = pydicom.dcmread(Path(str(data_store.__file__)).parent / "data" / "RG1_UNCR.dcm").pixel_array
    image = sample_chest(stored[:: stored.shape[0] // 600, :: stored.shape[0] // 600])
    rng = np.random.default_rng(number)
    trim = rng.integers(0, 20, 4)
    image = image[trim[0] : image.shape[0] - trim[1], trim[2] : image.shape[1] - trim[3]] ** rng.uniform(0.8, 1.3)
    scale = SIDE_PX / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small + rng.normal(0, 0.01, small.shape), 0, 1), np.float32)


def save(path: Path, image: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.rint(image * 255).astype(np.uint8))


def write_data(folder: Path, training: int = 24, evaluation: int = 6) -> Path:
    """A data folder in the project's layout; every second image for evaluation, and some others, have a real object."""
    train = [(f"t{n}.png", "nih" if n % 4 else "openist", n) for n in range(training)]
    unseen = [(f"e{n}.png", "north" if n % 2 else "south", 1000 + n) for n in range(evaluation)]
    for part, rows in (("cxr_train", train), ("cxr_eval", unseen)):
        lines = []
        for name, source, number in rows:
            image = chest(number)
            if _has_object(part, number):
                cv2.circle(image, (image.shape[1] // 3, image.shape[0] // 3), 10, 1.0, -1)
            save(folder / part / name, image)
            lines.append((name, source, "free", f"p{number}", "PA", "", "adult"))
        with (folder / part / "manifest.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *lines])
    circle = {"box": [0.28, 0.28, 0.38, 0.38], "kind": "external_object", "sure": True}
    quality = {"usable": "yes"}
    (folder / "annotations").mkdir()
    for name, part, rows in (("train", "cxr_train", train), ("eval", "cxr_eval", unseen)):
        drawn = [
            {"file": file, "objects": [circle] if _has_object(part, number) else [], "quality": quality}
            for file, _, number in rows
        ]
        (folder / "annotations" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, drawn)))
    return folder


def _has_object(part: str, number: int) -> bool:
    return number % 2 == 1 if part == "cxr_eval" else number % 5 == 1


def write_labelled(folder: Path, each: int = 4) -> Path:
    """Folders good and noise, the latter with the defect simulated at its worst, and a broken file."""
    for number in range(each):
        image = chest(number)
        save(folder / "good" / f"{number}.png", image)
        noisy = degrade(image, FindingName.NOISE, 1.0, np.random.default_rng(number), 1.0)
        save(folder / "noise" / f"{number}.png", noisy)
    (folder / "good" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder
