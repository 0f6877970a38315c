"""The graph of a package that makes maps by gradients: the one that was sealed in, else one that is derived now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.card import BaseCard
from miqa_node.stages.assess.gradient_graph import graph_with_maps
from miqa_node.stages.explain.sources import MapSource


def maps_graph(path: Path, card: BaseCard, source: MapSource, method: str) -> bytes:
    """The graph that makes maps by a method, from the gradient graph that was sealed in, else derived now.

    Raises
    ------
    ModelPackageError
        No gradient can be taken through the graph, or onnx, which derives it, is not installed.
    """
    made = graph_with_maps(path, source.graph, card, method)
    if made is not None:
        return made
    try:
        from miqa_node.stages.explain.derivation import derived  # noqa: PLC0415 - it needs the extra [seal]
    except ImportError as error:
        raise ModelPackageError(
            "{label} has no gradient graph of {graph}, and onnx is not installed to derive it: run "
            "miqa-node models seal {label} where the extra [seal] is installed.",
            label=card.label,
            graph=source.graph,
        ) from error
    return bytes(derived(path, replace(source, methods=(method,))).SerializeToString())
