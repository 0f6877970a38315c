"""Makes graphs faster on CPUs by padding filters to whole blocks; results are the same except for rounding.

On CPUs, ONNX Runtime keeps feature maps in blocks of 8 or 16 channels. If a convolution has another number of
filters, energies (Conv, square, AveragePool) are copied into the plain layout at full resolution before they are
pooled. Zero filters fill the last block; their outputs are removed after the pooling, where little is left to copy.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.onnx_format import FLOAT, INT64, GraphProto, NodeProto, TensorProto
from miqa_node.stages.assess.self_contained import parse_graph

BLOCK = 16
"""Channels of a block with AVX-512; a multiple of 8, so it also suits blocks of 8."""


def in_whole_blocks(graph: Path | bytes) -> bytes | None:
    """An equivalent, faster graph; None if nothing can be gained or the graph cannot be read."""
    try:
        model = parse_graph(graph if isinstance(graph, bytes) else graph.read_bytes(), "")
    except ModelPackageError:  # the runtime says what is wrong with it
        return None
    return model.SerializeToString() if _pad(model.graph) else None


def _pad(graph: GraphProto) -> bool:
    """Pad every energy of the graph; return whether there was one."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {output.name for output in graph.output}
    padded: set[str] = set()
    for node in tuple(graph.node):
        chain = _energy(node, readers, outputs)
        if chain is None or node.input[1] not in weights:
            continue
        filters = _numbers(weights[node.input[1]])
        if filters is None or not (missing := -len(filters) % BLOCK):
            continue
        name = f"{node.input[1]}/whole_blocks"
        if not any(name == one.name for one in graph.initializer):
            zeros = np.zeros((missing, *filters.shape[1:]), filters.dtype)
            graph.initializer.append(_tensor(name, np.concatenate([filters, zeros]), FLOAT))
        padded.add(node.input[1])
        node.input[1] = name
        _cut(graph, chain[1], len(filters))
        _forget(graph, {node.output[0], chain[0].output[0]})
    read = {name for node in graph.node for name in node.input}
    for tensor in [weights[name] for name in padded if name not in read]:
        graph.initializer.remove(tensor)
    return bool(padded)


def _energy(
    node: NodeProto, readers: dict[str, list[NodeProto]], outputs: set[str]
) -> tuple[NodeProto, NodeProto] | None:
    """The square and the pooling after a convolution without bias, if nothing else uses its output; else None."""
    if node.op_type != "Conv" or len(node.input) != 2 or node.output[0] in outputs:
        return None
    following = readers[node.output[0]]
    if [one.op_type for one in following] != ["Mul", "Mul"] or following[0] is not following[1]:
        return None
    square = following[0]
    pooling = readers[square.output[0]]
    if square.output[0] in outputs or [one.op_type for one in pooling] != ["AveragePool"]:
        return None
    return square, pooling[0]


def _cut(graph: GraphProto, pooling: NodeProto, channels: int) -> None:
    """Cut the output of a pooling to its first channels, under its old name."""
    name = pooling.output[0]
    whole = f"{name}/whole_blocks"
    limits = {"start": 0, "end": channels, "axis": 1}
    graph.initializer.extend(
        _tensor(f"{whole}/{key}", np.array([value], np.int64), INT64) for key, value in limits.items()
    )
    pooling.output[0] = whole
    inputs = [whole, *(f"{whole}/{key}" for key in limits)]
    place = next(number for number, node in enumerate(graph.node) if node is pooling or node == pooling)
    graph.node.insert(place + 1, NodeProto(op_type="Slice", input=inputs, output=[name], name=f"{whole}/cut"))


def _forget(graph: GraphProto, names: set[str]) -> None:
    """Remove the graph's shape information on tensors that now have more channels."""
    for info in tuple(graph.value_info):
        if info.name in names:
            graph.value_info.remove(info)


def _numbers(tensor: TensorProto) -> NDArray[np.float32] | None:
    """The values of a tensor; None unless they are single-precision numbers, as the weights of convolutions on CPUs."""
    if tensor.data_type != FLOAT:
        return None
    values = np.frombuffer(tensor.raw_data, "<f4") if tensor.raw_data else np.array(tensor.float_data, np.float32)
    return values.reshape(tuple(tensor.dims))


def _tensor(name: str, values: NDArray[np.generic], data_type: int) -> TensorProto:
    return TensorProto(name=name, dims=values.shape, data_type=data_type, raw_data=values.tobytes())
