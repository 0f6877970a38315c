"""Reduces a graph to what some of its outputs need, and splits off the part that does not depend on an input.

ONNX Runtime computes every node of a session's graph, so a session for maps must not hold the rest of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

from miqa_node.stages.assess.onnx_format import FLOAT, GraphProto, ModelProto, NodeProto, ValueInfoProto


def keep_outputs(model: ModelProto, outputs: Sequence[str], starts: Sequence[str] = ()) -> ModelProto:
    """A copy with these as its only outputs, and only the nodes, weights and inputs that they need; no metadata.

    The tensors ``starts`` are further inputs.
    """
    inputs = {one.name: one for one in (*(_described(model.graph, name) for name in starts), *model.graph.input)}
    return _with_graph(model, _needed(model.graph, list(inputs.values()), outputs))


def split_by_input(model: ModelProto, moving: str, outputs: Sequence[str]) -> tuple[ModelProto | None, ModelProto]:
    """Two graphs: one does not depend on the input ``moving`` and runs once, the other is the rest and runs repeatedly.

    The outputs of the first graph are further inputs of the second. It is None if nothing can be computed beforehand.
    """
    graph = _needed(model.graph, model.graph.input, outputs)
    inputs = {one.name for one in graph.input}
    moved, still = {moving}, inputs - {moving}
    for node in graph.node:
        if any(name in moved for name in _read_by(node)):
            moved.update(node.output)
        elif any(name in still for name in _read_by(node)):
            still.update(node.output)
    rest = [node for node in graph.node if not any(name in still for name in node.output)]
    border = list(dict.fromkeys(n for node in rest for n in _read_by(node) if n in still and n not in inputs))
    if not border:
        return None, _with_graph(model, graph)
    ends = [_described(model.graph, name) for name in border]
    first = _needed(model.graph, model.graph.input, border)
    second = GraphProto(name=graph.name, node=rest, output=graph.output, initializer=graph.initializer)
    return _with_graph(model, first), _with_graph(model, _needed(second, [*graph.input, *ends], outputs))


def _needed(graph: GraphProto, inputs: Sequence[ValueInfoProto], outputs: Sequence[str]) -> GraphProto:
    needed, sources, nodes = set(outputs), {one.name for one in inputs}, []
    for node in reversed(graph.node):
        if any(name in needed and name not in sources for name in node.output):
            nodes.append(node)
            needed.update(_read_by(node))
    return GraphProto(
        name=graph.name,
        node=nodes[::-1],
        input=[one for one in inputs if one.name in needed],
        output=[_described(graph, name) for name in outputs],
        initializer=[one for one in graph.initializer if one.name in needed],
    )


def _with_graph(model: ModelProto, graph: GraphProto) -> ModelProto:
    return ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions, graph=graph
    )


def _described(graph: GraphProto, name: str) -> ValueInfoProto:
    """The declaration of a tensor; of one that the graph does not declare, as numbers of a network: float."""
    undeclared = ValueInfoProto(name=name)
    undeclared.type.tensor_type.elem_type = FLOAT
    return next((one for one in (*graph.output, *graph.value_info) if one.name == name), undeclared)


def _read_by(node: NodeProto) -> list[str]:
    """The tensors that a node reads, also within its subgraphs (If, Loop)."""
    graphs = (graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs))
    inner = (name for graph in graphs for one in graph.node for name in _read_by(one))
    return [*(name for name in node.input if name), *inner]
