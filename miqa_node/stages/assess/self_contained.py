"""Reads graphs without external data. ONNX allows weights in other files, which no checksum of the graph covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.onnx_format import EXTERNAL, DecodeError, GraphProto, ModelProto, NodeProto, TensorProto


def read_graph(path: Path) -> ModelProto:
    """The graph of a file; see :func:`parse_graph`."""
    return parse_graph(graph_bytes(path), path.name)


def graph_bytes(path: Path) -> bytes:
    """The content of a file; ModelPackageError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelPackageError(
            "{path} cannot be read: {strerror}.", path=path.name, strerror=error.strerror
        ) from error


def parse_graph(data: bytes, name: str) -> ModelProto:
    """The graph in the bytes of a file of this name.

    Raises
    ------
    ModelPackageError
        It is not an ONNX graph, or any of its tensors lies in another file.
    """
    try:
        model: ModelProto = ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelPackageError("{name} is not an ONNX graph.", name=name) from error
    nodes = (node for function in model.functions for node in function.node)
    tensors = chain(_of_graph(model.graph), _of_nodes(nodes))
    if any(tensor.data_location == EXTERNAL for tensor in tensors):
        raise ModelPackageError(
            "{name} keeps weights in other files, which its checksum does not cover; save it as one file "
            "(onnx.save with save_as_external_data=False).",
            name=name,
        )
    return model


def _of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                if graph.node or graph.initializer or graph.sparse_initializer:
                    yield from _of_graph(graph)
