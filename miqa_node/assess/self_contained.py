"""Reads graphs without external data. ONNX allows weights in other files, which no checksum of the graph covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import onnx

from miqa_node.errors import ModelPackageError


def read_graph(path: Path) -> onnx.ModelProto:
    """The graph of a file.

    Raises
    ------
    ModelPackageError
        The file is not an ONNX graph, or any of its tensors lies in another file.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's errors share no narrower base class
        raise ModelPackageError(f"{path.name} is not an ONNX graph.") from error
    nodes = (node for function in model.functions for node in function.node)
    tensors = chain(_of_graph(model.graph), _of_nodes(nodes))
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        raise ModelPackageError(
            f"{path.name} keeps weights in other files, which its checksum does not cover; "
            "save it as one file (onnx.save with save_as_external_data=False)."
        )
    return model


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                if graph.node or graph.initializer or graph.sparse_initializer:
                    yield from _of_graph(graph)
