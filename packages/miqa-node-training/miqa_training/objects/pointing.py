"""The Pointing Game of an object package: its own maps, and those of gradients of the same graph; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.observe.progress import counted
from miqa_node.core.settings import SaliencyMethod
from miqa_node.libraries.onnx_vjp import SEED, add_maps
from miqa_node.stages.assess.card import GRAPH_NAME, checked_card, read_sections
from miqa_node.stages.assess.classify.picture import normalised, resized, stretched
from miqa_node.stages.assess.landmarks.picture import stored_copy
from miqa_node.stages.assess.objects.card import INPUT, LOGITS, MAPS, ObjectCard
from miqa_node.stages.assess.objects.network import ObjectNetwork, of_source
from miqa_node.stages.explain.object_map import object_map
from miqa_node.stages.explain.sources import GRADIENT_METHODS
from miqa_training.map_scores import BASELINES, METHODS
from miqa_training.outlines import AnnotatedImage, inside_any
from miqa_training.pointing import BOTH, TOLERANCE, figures_of, grey_of, inside_scores, played

OBJECT_METHODS = tuple(method for method in METHODS if method != SaliencyMethod.OCCLUSION)
"""Occlusion would run the graph hundreds of times for an image."""
BASELINE_SIDE = 48

Map = NDArray[np.float32]


class ObjectExplainer:
    """The maps of one package's findings by every method."""

    def __init__(self, package: Path, finding: str, methods: Sequence[str]) -> None:
        if unknown := [one for one in methods if one not in OBJECT_METHODS]:
            raise ValueError(f"{unknown[0]} is not made for object packages; there are {', '.join(OBJECT_METHODS)}")
        self._card = card = checked_card(ObjectCard, read_sections(package), package.name)
        names = [row.name for row in card.findings]
        self._columns = [n for n, name in enumerate(names) if finding in (BOTH, name)]
        if not self._columns:
            raise ValueError(f"{package.name} has no class {finding!r}; it has {', '.join(names)}")
        self._methods = methods
        self._gradients = [one for one in methods if one in GRADIENT_METHODS]
        graph = package / GRAPH_NAME
        session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        self._network = ObjectNetwork(
            lambda image: dict(zip((MAPS, LOGITS), session.run([MAPS, LOGITS], {INPUT: image}), strict=True)), card
        )
        if self._gradients:
            model = add_maps(onnx.load(str(graph)), card.saliency.taps, LOGITS, self._gradients)
            self._session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def __call__(self, display: NDArray[np.uint16], seed: int) -> dict[str, Map]:
        """The map of the likeliest tested finding by each method."""
        evidence = self._network(display)
        column = max(self._columns, key=lambda one: evidence[one].finding.probability)
        own = evidence[column].map
        maps = {SaliencyMethod.CLASS_MAP.value: own, SaliencyMethod.OBJECT_MAP.value: object_map(own)}
        maps |= dict.fromkeys(BASELINES, np.random.default_rng(seed).random((BASELINE_SIDE, BASELINE_SIDE), np.float32))
        return {one: (maps | self._by_gradients(display, column))[one] for one in self._methods}

    def _by_gradients(self, display: NDArray[np.uint16], column: int) -> dict[str, Map]:
        if not self._gradients:
            return {}
        picture = self._card.picture
        small, _ = stored_copy(display, None)
        image = normalised(resized(stretched(small, picture.stretch), picture), picture)
        chosen = np.eye(len(self._card.findings), dtype=np.float32)[[column]]
        made = self._session.run(self._gradients, {INPUT: image, SEED: chosen})
        cells = picture.columns // 8, picture.rows // 8  # those of the own maps, so that borders are cut alike
        return {
            method: of_source(cv2.resize(one[0, 0], cells, interpolation=cv2.INTER_LINEAR), small.shape, picture)
            for method, one in zip(self._gradients, made, strict=True)
        }


def evaluate_object_pointing(
    package: Path, dataset: Sequence[AnnotatedImage], *, finding: str = FindingName.FOREIGN_OBJECT,
    methods: Sequence[str] = OBJECT_METHODS, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """The figures of :func:`miqa_training.pointing.evaluate_pointing`, without insertion and deletion.

    Raises
    ------
    ValueError
        The package has no such finding, a method is not made for it, or no image is annotated.
    """
    images = [one for one in dataset if one.outlines]
    if not images:
        raise ValueError("no image of the data set has an annotation")
    explain = ObjectExplainer(package, finding, methods)
    rows: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    for number, image in enumerate(counted(images, "Pointing")):
        for method, values in explain(grey_of(image.path), seed + number).items():
            inside = inside_any(image.outlines, *values.shape)
            rows[method].append(played(method, values, image.outlines) | inside_scores(values, inside))
    return {
        "finding": str(finding), "images": len(images), "patients": len({image.patient for image in images}),
        "images_with_curves": 0, "tolerance": TOLERANCE, **figures_of(rows, images),
    }  # fmt: skip
