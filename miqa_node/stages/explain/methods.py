"""All saliency methods by name: from a graph and one image's inputs to maps in [0, 1] of where a class was seen."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from miqa_node.core.settings import SaliencyMethod
from miqa_node.stages.assess.contracts.base import GraphInputs
from miqa_node.stages.explain.explained import ExplainedGraph
from miqa_node.stages.explain.object_map import object_map
from miqa_node.stages.explain.sources import GRADIENT_METHODS

CELLS = 16
"""Occlusion: cells along a side of the map; the patch is two cells wide and moves by one."""


def explain(
    method: str, graph: ExplainedGraph, inputs: GraphInputs, columns: Sequence[int],
    *, timeout_s: float | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """Maps of where the classes of some columns of the logits were seen.

    Shape (columns, rows, columns of the map), 0 to 1 with each map's peak at 1 (a map without any evidence stays 0);
    the maps cover the whole source image.

    Raises
    ------
    UnsupportedOperatorError, ModelPackageError
        The graph cannot be differentiated, or has no taps.
    TimeoutError
        The method took longer than ``timeout_s``.
    ValueError
        The method is unknown.
    """
    if not columns:
        return np.zeros((0, 1, 1), np.float32)
    if method == SaliencyMethod.CLASS_MAP:
        values = graph.class_maps(inputs.arrays, columns, timeout_s)
    elif method == SaliencyMethod.OBJECT_MAP:
        values = np.stack([object_map(one) for one in graph.class_maps(inputs.arrays, columns, timeout_s)])
    elif method in GRADIENT_METHODS:
        values = graph.gradient_maps(method, inputs.arrays, columns, timeout_s)
    elif method == SaliencyMethod.OCCLUSION:
        values = occlusion(graph, inputs, columns, timeout_s)
    else:
        msg = f"{method!r} is not a method; there are {', '.join(SaliencyMethod)}"
        raise ValueError(msg)
    return np.stack([normalised(inputs.to_source(one)) for one in values])


def occlusion(
    graph: ExplainedGraph, inputs: GraphInputs, columns: Sequence[int], timeout_s: float | None
) -> NDArray[np.float32]:
    """Decrease of each logit when a grey patch hides a place (Zeiler and Fergus, ECCV 2014).

    Only the global view is hidden, not the crops. A cell gets the mean of the four patches that cover it;
    a logit that rises counts as 0. Shape (columns, CELLS, CELLS).
    """
    until = None if timeout_s is None else time.monotonic() + timeout_s
    whole = inputs.arrays[graph.tensors.view]
    grey = whole.mean() if graph.tensors.grey is None else graph.tensors.grey
    vertical, horizontal = graph.tensors.axes
    logits = graph.logits_of_views(inputs.arrays)
    before = logits(whole)[list(columns)]
    sides = whole.shape[vertical], whole.shape[horizontal]
    rows, right = (np.linspace(0, side, CELLS + 1).round().astype(int) for side in sides)
    falls = np.zeros((len(columns), CELLS + 1, CELLS + 1), np.float32)
    for i in range(CELLS + 1):
        for j in range(CELLS + 1):
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"occlusion took longer than {timeout_s:g} s")
            hidden = whole.copy()
            top, bottom = rows[max(i - 1, 0)], rows[min(i + 1, CELLS)]
            left, end = right[max(j - 1, 0)], right[min(j + 1, CELLS)]
            np.moveaxis(hidden, (vertical, horizontal), (0, 1))[top:bottom, left:end] = grey
            falls[:, i, j] = np.maximum(before - logits(hidden)[list(columns)], 0.0)
    four = falls[:, :-1, :-1] + falls[:, 1:, :-1] + falls[:, :-1, 1:] + falls[:, 1:, 1:]
    return np.asarray(four / 4.0, np.float32)


def normalised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The map scaled to [0, 1] by its peak; a map without positive values becomes 0."""
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(finite.max(initial=0.0))
    return np.clip(finite / peak, 0.0, 1.0).astype(np.float32) if peak > 0 else np.zeros(values.shape, np.float32)
