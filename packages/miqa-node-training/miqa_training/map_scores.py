"""Figures of saliency maps beside the Pointing Game: energy in the outlines, pixel AP, insertion and deletion."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.core.settings import SaliencyMethod
from miqa_node.stages.explain.methods import normalised

STEPS = 16
"""Steps of insertion and deletion between the original and the empty picture."""
BLUR = 1.0 / 24.0
"""σ of the blur with which insertion starts, as a share of the side: no object remains visible."""

CENTRE, RANDOM = "centre", "random"
BASELINES = (CENTRE, RANDOM)
"""Maps that ignore the image; every method has to beat them."""
METHODS: tuple[str, ...] = (*SaliencyMethod, *BASELINES)
BASELINE_SIDE = 48

Confidence = Callable[[NDArray[np.float32]], float]
"""The class's probability for a global view (1, 1, rows, columns)."""


def energy_inside(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Share of the map's sum that lies inside (Wang et al., CVPRW 2020); 0 for an empty map."""
    total = float(values.sum(dtype=np.float64))
    return float(values[inside].sum(dtype=np.float64)) / total if total > 0 else 0.0


def pixel_average_precision(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Average precision of the cell values as a ranking of the cells inside; equal values count as one step."""
    order = np.argsort(-values.ravel(), kind="stable")
    ranked, hits = values.ravel()[order], np.cumsum(inside.ravel()[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    hit_count = hits[last].astype(np.float64)
    recall = hit_count / max(int(inside.sum()), 1)
    return float((np.diff(recall, prepend=0.0) * hit_count / (last + 1)).sum())


def deletion(confidence: Confidence, view: NDArray[np.float32], values: NDArray[np.float32]) -> float:
    """Area under the class's probability while the most salient cells turn grey first (Petsiuk et al., BMVC 2018).

    Lower is better. ``view`` is the normalised global view (mean 0), ``values`` a map over the whole of it.
    """
    return _area(confidence, view, np.zeros_like(view), values)


def insertion(confidence: Confidence, view: NDArray[np.float32], values: NDArray[np.float32]) -> float:
    """The same while the most salient cells appear first in a blurred picture; higher is better."""
    blurred = cv2.GaussianBlur(view[0, 0], (0, 0), BLUR * max(view.shape[2:]))
    return _area(confidence, np.asarray(blurred, np.float32)[None, None], view, values)


def _area(
    confidence: Confidence, begin: NDArray[np.float32], end: NDArray[np.float32], values: NDArray[np.float32]
) -> float:
    """Trapezoids over the share of changed pixels, from ``begin`` to ``end`` in the order of the map."""
    fine = cv2.resize(values, begin.shape[:1:-1], interpolation=cv2.INTER_LINEAR).ravel()
    order = np.argsort(-fine, kind="stable")
    picture, to = begin.copy().ravel(), end.ravel()
    heights = [confidence(begin)]
    for part in np.array_split(order, STEPS):
        picture[part] = to[part]
        heights.append(confidence(picture.reshape(begin.shape)))
    return float(np.trapezoid(heights, dx=1.0 / STEPS))


def blind_map(baseline: str, seed: int) -> NDArray[np.float32]:
    """The map of a baseline, 0 to 1; ``seed`` is for the random one."""
    if baseline == RANDOM:
        return normalised(np.random.default_rng(seed).random((BASELINE_SIDE, BASELINE_SIDE), np.float32))
    bump = np.zeros((BASELINE_SIDE, BASELINE_SIDE), np.float32)
    bump[(BASELINE_SIDE - 1) // 2 : BASELINE_SIDE // 2 + 1, (BASELINE_SIDE - 1) // 2 : BASELINE_SIDE // 2 + 1] = 1.0
    return normalised(np.asarray(cv2.GaussianBlur(bump, (0, 0), BASELINE_SIDE / 4), np.float32))
