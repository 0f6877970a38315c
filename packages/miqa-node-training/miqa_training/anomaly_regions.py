"""How well anomaly maps cover the annotated regions: Dice and IoU of masks, against baselines that ignore the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.statistics.overlap import Mask, dice, iou
from miqa_node.stages.assess.anomaly.features import Projection
from miqa_node.stages.assess.anomaly.forest import Forest
from miqa_node.stages.report.mask import threshold_map
from miqa_training.degrade.lungs import lung_field
from miqa_training.isolation import grow, principal_components
from miqa_training.map_scores import pixel_average_precision
from miqa_training.outlines import Outline, box, inside_any
from miqa_training.pointing import interval_by_patient, peak, play

GRID = 96
"""Number of cells along a side in which masks are compared."""
THRESHOLD = 0.5
"""Share of its peak from which a map's cells are in the mask, as in the segmentations of the node."""
COMPACT = 0.16
"""A box wider or higher than this share of the image surrounds a run of leads; its overlap with a mask says little."""
RANDOM_TRIES = 20
PLACE_COMPONENTS = 24
PLACES_PER_IMAGE = 40
TREES, SAMPLES = 200, 1024

Maps = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class OutlinedImage:
    """One annotated image: patient, outlines, picture (rows, columns), and the maps by name."""

    patient: str
    outlines: tuple[Outline, ...]
    view: NDArray[np.float32]
    maps: Maps


@dataclass(frozen=True, slots=True)
class PlaceForest:
    """An Isolation Forest of places; 95 % of the places of ordinary images score less than ``ordinary``."""

    projections: tuple[Projection, ...]
    forest: Forest
    ordinary: float

    def region_map(self, places: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Map in [0, 1]: how far each place's score lies above the ordinary, scaled so that the highest is 1."""
        rows, columns = places[0].shape[:2]
        scores = self.forest.score(_described(self.projections, places)).reshape(rows, columns)
        excess = np.maximum(scores - self.ordinary, 0.0)
        return (excess / max(float(excess.max()), 1e-9)).astype(np.float32)


def grow_places(
    images: Sequence[Sequence[NDArray[np.float32]]], others: Sequence[Sequence[NDArray[np.float32]]], seed: int
) -> PlaceForest:
    """A forest of the places of images; each image has one array (rows, columns, C) per kind of descriptor."""
    rng = np.random.default_rng(seed)
    chosen = []
    for places in images:
        count = places[0].shape[0] * places[0].shape[1]
        some = rng.choice(count, min(PLACES_PER_IMAGE, count), replace=False)
        chosen.append([kind.reshape(count, -1)[some] for kind in places] + [_where(places[0])[some]])
    kinds = [np.concatenate(rows).astype(np.float64) for rows in zip(*chosen, strict=True)]
    projections = tuple(principal_components(rows, PLACE_COMPONENTS) for rows in kinds)
    rows = np.concatenate([(r - by.mean) @ by.components for r, by in zip(kinds, projections, strict=True)], axis=1)
    forest = grow(rows, trees=TREES, samples=SAMPLES, seed=seed)
    scores = np.concatenate([forest.score(_described(projections, places)) for places in others])
    return PlaceForest(projections, forest, float(np.quantile(scores, 0.95)))


def region_figures(images: Sequence[OutlinedImage], seed: int = 1) -> dict[str, Any]:
    """Dice, IoU, Pointing Game and pixel AP of each map and of the baselines centre, random and lungs, over all images.

    Centre and random are squares of the mean annotated area; ``dice_same_area`` cuts the maps to the same area.
    """
    sizes = [inside_any(image.outlines, GRID, GRID).mean() for image in images]
    share = float(np.mean(sizes))
    side = share**0.5
    rng = np.random.default_rng(seed)
    baselines: dict[str, Callable[[OutlinedImage], list[Mask]]] = {
        "centre": lambda _: [_square(0.5, 0.5, side)],
        "random": lambda _: [_anywhere(side, rng) for _ in range(RANDOM_TRIES)],
        "lungs": lambda image: [_lungs(image.view)],
    }
    rows = {name: _row(images, masks, share) for name, masks in baselines.items()}
    rows |= {name: _row(images, partial(_thresholded, name), share, name) for name in images[0].maps}
    return {
        "images": len(images),
        "patients": len({image.patient for image in images}),
        "annotated_share": round(share, 4),
        "methods": rows,
    }


def compact(images: Sequence[OutlinedImage]) -> list[OutlinedImage]:
    """The images that have compact outlines, with only those outlines."""
    selection = []
    for image in images:
        small = tuple(outline for outline in image.outlines if _extent(outline) <= COMPACT)
        if small:
            selection.append(OutlinedImage(image.patient, small, image.view, image.maps))
    return selection


def _row(
    images: Sequence[OutlinedImage], masks: Callable[[OutlinedImage], list[Mask]], share: float, name: str = ""
) -> dict[str, Any]:
    dices, ious, hits, precisions, same_area = [], [], [], [], []
    for image in images:
        drawn = inside_any(image.outlines, GRID, GRID)
        marks = masks(image)
        if name:
            same_area.append(dice(_largest(image.maps[name], share), drawn))
        dices.append(float(np.mean([dice(mask, drawn) for mask in marks])))
        ious.append(float(np.mean([iou(mask, drawn) for mask in marks])))
        if name:
            fine = cv2.resize(image.maps[name], (GRID, GRID), interpolation=cv2.INTER_LINEAR).astype(np.float32)
            hits.append(float(play(peak(image.maps[name]), image.outlines).tolerant))
            precisions.append(pixel_average_precision(fine, drawn))
    patients = [image.patient for image in images]
    row: dict[str, Any] = {
        "dice": _round(np.mean(dices)),
        "dice_interval": [_round(value) for value in interval_by_patient(np.array(dices), patients)],
        "iou": _round(np.mean(ious)),
    }
    if name:
        row["dice_same_area"] = _round(np.mean(same_area))
        row |= {"pointing_game": _round(np.mean(hits)), "pixel_average_precision": _round(np.mean(precisions))}
    return row


def _described(projections: Sequence[Projection], places: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    count = places[0].shape[0] * places[0].shape[1]
    kinds = [*(kind.reshape(count, -1).astype(np.float64) for kind in places), _where(places[0])]
    reduced = [(rows - by.mean) @ by.components for rows, by in zip(kinds, projections, strict=True)]
    return np.concatenate(reduced, axis=1)


def _where(places: NDArray[np.float32]) -> NDArray[np.float64]:
    """Row and column of each place, (rows·columns, 2), as fractions: what is ordinary here may be unusual there."""
    rows, columns = places.shape[:2]
    down, across = np.indices((rows, columns)).reshape(2, -1)
    return np.stack([(down + 0.5) / rows, (across + 0.5) / columns], axis=1)


def _thresholded(name: str, image: OutlinedImage) -> list[Mask]:
    return [threshold_map(image.maps[name], (GRID, GRID), THRESHOLD)]


def _largest(values: NDArray[np.float32], share: float) -> Mask:
    """The cells with the highest values: as many as the baselines have, or fewer if the map has fewer."""
    fine = cv2.resize(values.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_LINEAR)
    return np.asarray((fine >= np.quantile(fine, 1.0 - share)) & (fine > 0.0), bool)


def _anywhere(side: float, rng: np.random.Generator) -> Mask:
    x, y = rng.uniform(side / 2, 1 - side / 2, 2)
    return _square(float(x), float(y), side)


def _square(x: float, y: float, side: float) -> Mask:
    half = side / 2
    return box(x - half, y - half, x + half, y + half).mask(GRID, GRID)


def _lungs(view: NDArray[np.float32]) -> Mask:
    low, high = float(view.min()), float(view.max())
    field = lung_field(((view - low) / max(high - low, 1e-6)).astype(np.float32))
    return box(field.left, field.top, field.right, field.bottom).mask(GRID, GRID)


def _extent(outline: Outline) -> float:
    corners = np.array(outline.points)
    return float((corners.max(axis=0) - corners.min(axis=0)).max())


def _round(value: float | np.floating[Any]) -> float:
    return round(float(value), 3)
