"""The Pointing Game of every saliency method on real objects and devices, NormGrad first, hospital by hospital."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from miqa_node.core.settings import Accelerator, SaliencyMethod, load_settings
from miqa_node.libraries.plain_statistics.platt import expit
from miqa_node.stages.assess.card import GRAPH_NAME, read_card
from miqa_node.stages.assess.preprocess import prepare
from miqa_node.stages.explain.explained import ExplainedGraph
from miqa_node.stages.explain.methods import explain
from miqa_training.datasets import DatasetRecord
from miqa_training.pointing import peak
from miqa_training.readers import THINGS, Peak, pointing
from miqa_training.samples import OBJECTS
from miqa_training.scores import eight_bits, read_image

METHODS = sorted(set(SaliencyMethod) - {SaliencyMethod.OCCLUSION}, key=lambda m: (not m.startswith("normgrad"), m))
"""All but occlusion, which takes seconds for one image."""


def saliency_figures(
    package_dir: Path, records: Sequence[DatasetRecord], methods: Sequence[SaliencyMethod] = METHODS
) -> dict[str, Any]:
    """One row per method and kind of object; "both" uses the map of the likelier of the two findings."""
    card = read_card(package_dir)
    names = [row.name for row in card.outputs.classes]
    columns = [names.index(finding) for finding in OBJECTS]
    rows = [card.outputs.classes[column] for column in columns]
    graph = ExplainedGraph(package_dir / GRAPH_NAME, card, Accelerator.CPU, load_settings().assess)
    peaks: dict[str, dict[str, list[tuple[DatasetRecord, Peak]]]] = {
        method.value: {things: [] for things in THINGS} for method in methods
    }
    for record in records:
        if not record.objects:
            continue
        display = eight_bits(read_image(record))
        inputs = prepare(display, None, card.preprocess)
        logits = graph.logits_of_views(inputs.arrays)(inputs.global_view)
        likely = [expit((float(logits[c]) + r.bias) / r.temperature) for c, r in zip(columns, rows, strict=True)]
        for method in methods:
            points = [peak(values) for values in explain(method.value, graph, inputs, columns)]
            for things, point in zip(THINGS, (*points, points[int(np.argmax(likely))]), strict=True):
                peaks[method.value][things].append((record, point))
    return {
        method: {things: _short(pointing(things, cases)) for things, cases in by_kind.items()}
        for method, by_kind in peaks.items()
    }


def _short(figures: dict[str, Any]) -> dict[str, Any]:
    everything, compact = figures["all"], figures["compact"]
    return {
        "macro": everything["macro"],
        "macro_interval": everything["macro_interval"],
        "pooled": everything["pooled"],
        "hospitals": everything["hospitals"],
        "no_tolerance_macro": figures["no_tolerance"]["macro"],
        "compact_macro": compact["macro"],
        "compact_pooled": compact["pooled"],
        "images": everything["images"],
    }
