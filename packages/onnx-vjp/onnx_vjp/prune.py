"""Reduces a graph to what some of its tensors need.

ONNX Runtime computes every node of a session's graph, so a session for maps must not hold the rest of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import helper, shape_inference


def keep_outputs(model: onnx.ModelProto, outputs: Sequence[str]) -> onnx.ModelProto:
    """A copy with these tensors as its only outputs, and only the nodes, weights and inputs that they need."""
    made = {o.name: o for o in (*model.graph.value_info, *model.graph.output)}
    if any(name not in made for name in outputs):
        model = shape_inference.infer_shapes(model)
        made = {o.name: o for o in (*model.graph.value_info, *model.graph.output)}
    graph = model.graph
    needed, nodes = set(outputs), []
    for node in reversed(graph.node):
        if any(name in needed for name in node.output):
            nodes.append(node)
            needed.update(name for name in node.input if name)
            needed.update(_outer_names(node))
    smaller = helper.make_graph(
        nodes[::-1],
        graph.name,
        [i for i in graph.input if i.name in needed],
        [made[name] for name in outputs],
        [i for i in graph.initializer if i.name in needed],
    )
    return helper.make_model(smaller, opset_imports=list(model.opset_import), ir_version=model.ir_version)


def _outer_names(node: onnx.NodeProto) -> set[str]:
    """Tensors of the outer graph that the subgraphs of a node (If, Loop) use."""
    names: set[str] = set()
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                names.update(inner.input, _outer_names(inner))
    return names
