"""How well the lung field agrees with masks that others drew, and with outlines made from a reader's points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.overlap import dice
from miqa_node.stages.assess.landmarks.estimate import LandmarkNetwork
from miqa_node.stages.assess.landmarks.lung_field import LUNG_FROM
from miqa_training.landmarks.evaluate import presentation
from miqa_training.landmarks.lung_outlines import SIDE_PX, drawn_lungs
from miqa_training.landmarks.points import LandmarkAnnotation

ABOUT = (
    "Dice coefficients of both lungs together. Masks drawn by others are those of OpenIST (normal radiographs; no "
    "weight learned from the collection, whose licence is unknown). Elsewhere the truth is made as the training's was, "
    "from the points that a reader drew and the pixels between, so it shares its faults."
)
MASKS = "masks"
"""Folder of the drawn lung fields beside the images of ``cxr_train``."""
MASK_ENDING = "_lungs.png"


def found_lungs(reader: LandmarkNetwork, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Both lungs of an image, bool (256, 256).

    Raises
    ------
    ValueError
        The package of ``reader`` finds no lung field.
    """
    lungs = reader(presentation(pixels)).lungs
    if lungs is None:
        msg = "The package finds no lung field."
        raise ValueError(msg)
    fine = [cv2.resize(lung.astype(np.float32), (SIDE_PX, SIDE_PX)) for lung in lungs]
    return np.asarray(np.max(fine, axis=0) >= LUNG_FROM, np.bool_)


def against_drawn_masks(reader: LandmarkNetwork, folder: Path) -> dict[str, Any]:
    """Agreement with the masks in ``folder/masks``."""
    scores = []
    for file in sorted((folder / MASKS).glob(f"*{MASK_ENDING}")):
        mask, image = (
            cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            for path in (file, folder / f"{file.name.removesuffix(MASK_ENDING)}.jpg")
        )
        if mask is None or image is None:
            raise OSError(f"cannot read {file} or its image")
        drawn = cv2.resize((mask > 127).astype(np.uint8), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_NEAREST)
        scores.append(dice(found_lungs(reader, np.asarray(image, np.uint8)), drawn > 0))
    return summary(scores)


def against_outlines(
    reader: LandmarkNetwork, annotations: Sequence[LandmarkAnnotation], pixels: Mapping[str, NDArray[np.uint8]],
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Agreement with outlines made from the points that a reader drew, by hospital."""
    figures = {}
    for source in sorted({a.record.source for a in annotations}):
        of_source = (a for a in annotations if a.record.source == source)
        pairs = ((pixels[a.record.path.name], a.points) for a in of_source)
        figures[source] = summary(
            dice(found_lungs(reader, image), drawn_lungs(image, points).max(axis=0) > 0) for image, points in pairs
        )
    return figures


def summary(scores: Iterable[float]) -> dict[str, Any]:
    """Number, mean, median, 10th percentile and least of Dice coefficients."""
    values = np.array(list(scores))
    names = ("mean", "median", "p10", "least")
    numbers = (values.mean(), np.median(values), np.percentile(values, 10), values.min())
    return {"images": len(values), **{name: round(float(one), 3) for name, one in zip(names, numbers, strict=True)}}
