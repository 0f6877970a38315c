"""The Pointing Game: whether a map's peak lies on an annotated object (Zhang et al., IJCV 2018; SCIENCE.md §4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.libraries.plain_statistics.bootstrap import limits_of_draws
from miqa_node.libraries.plain_statistics.platt import expit
from miqa_node.stages.assess.card import Card, read_card
from miqa_node.stages.assess.contracts.two_branch import GLOBAL_VIEW
from miqa_node.stages.assess.preprocess import prepare
from miqa_node.stages.explain.explained import ExplainedGraph
from miqa_node.stages.explain.methods import explain
from miqa_training.map_scores import (
    BASELINES,
    CENTRE,
    METHODS,
    RANDOM,
    blind_map,
    deletion,
    energy_inside,
    insertion,
    pixel_average_precision,
)
from miqa_training.outlines import AnnotatedImage, Outline, box, inside_any
from miqa_training.samples import OBJECTS

TOLERANCE = 15.0 / 600.0
"""Share of the image's side by which the peak may miss a box: 15 px at 600 px."""
SMOOTHING = 1.0
"""Gaussian σ in map cells before the peak is taken."""
ROUNDS = 1000
"""Rounds of the bootstrap."""
BOTH = "both"
"""In place of a finding: the map of the likelier of objects and devices, for boxes of both."""

ORDER = tuple(sorted(METHODS, key=lambda name: (name in BASELINES, not name.startswith("normgrad"))))
"""NormGrad first, which is compared with the others; baselines last."""

Boxes = Sequence[tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class PeakHit:
    """Whether the peak of one image's map lies in a box, exactly and with tolerance."""

    exact: bool
    tolerant: bool


def peak(values: NDArray[np.float32]) -> tuple[float, float]:
    """(x, y) of the smoothed map's peak as fractions of the image."""
    smooth = cv2.GaussianBlur(values.astype(np.float32), (0, 0), SMOOTHING)
    row, column = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    return (float(column) + 0.5) / smooth.shape[1], (float(row) + 0.5) / smooth.shape[0]


def play(point: tuple[float, float], outlines: Iterable[Outline]) -> PeakHit:
    """Play one image with outlines of any kind."""
    drawn = list(outlines)
    return PeakHit(any(o.contains(point) for o in drawn), any(o.contains(point, TOLERANCE) for o in drawn))


def hit(point: tuple[float, float], boxes: Boxes) -> PeakHit:
    """Play one image with boxes."""
    return play(point, (box(*one) for one in boxes))


def chance(boxes: Boxes, grid: int = 60) -> float:
    """Share of the image where a random point would count as a hit with tolerance."""
    return chance_of([box(*one) for one in boxes], TOLERANCE, grid)


def chance_of(outlines: Sequence[Outline], tolerance: float, grid: int = 60) -> float:
    """Share of the image where a random point would count as a hit."""
    points = [((x + 0.5) / grid, (y + 0.5) / grid) for y in range(grid) for x in range(grid)]
    return sum(any(o.contains(p, tolerance) for o in outlines) for p in points) / len(points)


def evaluate_pointing(
    package_dir: Path, dataset: Sequence[AnnotatedImage], *, finding: str = FindingName.FOREIGN_OBJECT,
    methods: Sequence[str] = METHODS, curves: int = 0, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """All methods on the same images, as plain data: one row per method with figures and intervals over patients.

    ``finding`` is a class of the package, or :data:`BOTH`.
    ``curves`` images, evenly spread, also get insertion and deletion (seconds each). An operator that cannot be
    differentiated fails the whole evaluation: a table without the method would hide the failure. ValueError if the
    package has no such class, or no image is annotated.
    """
    card = read_card(package_dir)
    names = [row.name for row in card.outputs.classes]
    columns = [names.index(one) for one in (OBJECTS if finding == BOTH else (finding,)) if one in names]
    if not columns:
        msg = f"{package_dir.name} has no class {finding!r}; it has {', '.join(names)}"
        raise ValueError(msg)
    images = [a for a in dataset if a.outlines]
    if not images:
        msg = "no image of the data set has an annotation"
        raise ValueError(msg)
    rows: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    graph = ExplainedGraph(package_dir / "model.onnx", card, Accelerator.AUTO, load_settings().assess)
    with_curves = set(np.linspace(0, len(images) - 1, min(curves, len(images))).round().astype(int).tolist())
    for number, image in enumerate(counted(images, "Pointing")):
        scores = _one_image(graph, card, columns, image, methods, number in with_curves, seed + number)
        for method in methods:
            rows[method].append(scores[method])
    return {
        "finding": str(finding),
        "images": len(images),
        "patients": len({image.patient for image in images}),
        "images_with_curves": len(with_curves),
        "tolerance": TOLERANCE,
        **figures_of(rows, images),
    }


def figures_of(rows: Mapping[str, Sequence[dict[str, float]]], images: Sequence[AnnotatedImage]) -> dict[str, Any]:
    """Per method: figures of all images, then hits alone for compact boxes, for each source, and their mean (macro).

    Methods stand in the order of :data:`ORDER`, those that ignore the image last.
    """
    patients = [image.patient for image in images]
    sources = sorted({image.source for image in images if image.source})
    compact = [number for number, image in enumerate(images) if image.compact]
    parts = {source: [n for n, image in enumerate(images) if image.source == source] for source in sources}
    methods = {}
    for method in sorted(rows, key=ORDER.index):
        of = rows[method]
        by_source = {source: hits_of([of[n] for n in numbers]) for source, numbers in parts.items()}
        methods[method] = summary(of, patients) | {"compact": hits_of([of[n] for n in compact]), "sources": by_source}
        if by_source:
            methods[method]["macro"] = {
                key: round(float(np.mean([one[key] for one in by_source.values()])), 4)
                for key in ("pointing_game", "pointing_game_no_tolerance")
            }
    return {"compact_images": len(compact), "sources": {k: len(v) for k, v in parts.items()}, "methods": methods}


def hits_of(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The share of hits with and without tolerance; None without images."""
    keys = {"pointing_game": "tolerant", "pointing_game_no_tolerance": "exact"}
    return {name: round(float(np.mean([row[key] for row in rows])), 4) if rows else None for name, key in keys.items()}


def interval_by_patient(
    values: NDArray[np.float64], patients: Sequence[str], *, seed: int = 0, rounds: int = ROUNDS
) -> tuple[float, float]:
    """95 % interval of the mean; resamples whole patients, because their images are correlated."""
    names = {name: number for number, name in enumerate(dict.fromkeys(patients))}
    index = np.array([names[p] for p in patients])
    sums, counts = np.bincount(index, values), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(names), size=(rounds, len(names)))
    return limits_of_draws(sums[drawn].sum(1) / counts[drawn].sum(1), len(names))


def _one_image(
    graph: ExplainedGraph, card: Card, columns: Sequence[int], image: AnnotatedImage, methods: Sequence[str],
    curves: bool, seed: int
) -> dict[str, dict[str, float]]:  # fmt: skip
    inputs = prepare(grey_of(image.path), None, card.preprocess)
    logits = graph.logits_of_views(inputs.arrays) if curves or len(columns) > 1 else None
    classes, whole, column = card.outputs.classes, inputs.arrays[GLOBAL_VIEW], columns[0]

    def probabilities(view: NDArray[np.float32]) -> dict[int, float]:
        assert logits is not None  # noqa: S101 - only asked with curves, or for the likelier finding
        values = logits(view)
        return {one: expit((float(values[one]) + classes[one].bias) / classes[one].temperature) for one in columns}

    def confidence(view: NDArray[np.float32]) -> float:
        return probabilities(view)[column]

    if len(columns) > 1:
        likely = probabilities(whole)
        column = max(columns, key=likely.__getitem__)

    rows = {}
    inside_of = cache(lambda shape: inside_any(image.outlines, *shape))
    for method in methods:
        [values] = [blind_map(method, seed)] if method in BASELINES else explain(method, graph, inputs, [column])
        rows[method] = played(method, values, image.outlines) | inside_scores(values, inside_of(values.shape))
        if curves:
            rows[method]["deletion"] = deletion(confidence, whole, values)
            rows[method]["insertion"] = insertion(confidence, whole, values)
    return rows


def inside_scores(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> dict[str, float]:
    """How much of a map's energy, and of its highest cells, lies in the cells that are ``inside`` outlines."""
    return {
        "energy_inside": energy_inside(values, inside),
        "pixel_average_precision": pixel_average_precision(values, inside),
    }


def grey_of(path: Path) -> NDArray[np.uint16]:
    """The presentation values of a picture; ValueError if it cannot be read."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        msg = f"{path.name} is not a readable picture"
        raise ValueError(msg)
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY)
    return np.asarray(grey if grey.dtype == np.uint16 else grey.astype(np.uint16) * 257, np.uint16)


def played(method: str, values: NDArray[np.float32], outlines: Sequence[Outline]) -> dict[str, float]:
    """Whether the peak of one image's map is a hit, with and without tolerance, 0 or 1."""
    if method == RANDOM:
        # The expected score of a random point, not that of one draw.
        return {"tolerant": chance_of(outlines, TOLERANCE), "exact": chance_of(outlines, 0.0)}
    one = play((0.5, 0.5) if method == CENTRE else peak(values), outlines)
    return {"tolerant": float(one.tolerant), "exact": float(one.exact)}


def summary(rows: Sequence[dict[str, float]], patients: Sequence[str]) -> dict[str, Any]:
    """A method's figures: means over its images, an interval over patients."""

    def mean(key: str) -> float:
        return round(float(np.mean([row[key] for row in rows])), 4)

    tolerant = np.array([row["tolerant"] for row in rows], np.float64)
    figures: dict[str, Any] = {
        "pointing_game": mean("tolerant"),
        "pointing_game_interval": [round(v, 4) for v in interval_by_patient(tolerant, patients)],
        "pointing_game_no_tolerance": mean("exact"),
        "energy_inside": mean("energy_inside"),
        "pixel_average_precision": mean("pixel_average_precision"),
    }
    for curve in ("insertion", "deletion"):
        areas = [row[curve] for row in rows if curve in row]
        if areas:
            figures[curve] = round(float(np.mean(areas)), 4)
    return figures
