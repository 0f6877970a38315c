"""Lets a graph that was traced with one image take any number of them, so that images of several studies share a run.

The exporter writes the traced 1 into shapes. Here the first axis of inputs and outputs is called
:data:`miqa_node.stages.assess.graph.IMAGES`, and a reshape keeps it as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper, shape_inference

from miqa_node.stages.assess.graph import IMAGES

AS_BEFORE = 0
"""In the shape of a Reshape: as many as before."""
TOLERANCE = 1e-4
"""Largest difference between images that share a run and each alone: other sizes are added in another order."""

Arrays = Mapping[str, NDArray[np.float32]]


def for_any_number(model: onnx.ModelProto, image: Arrays, parts: Collection[str] = ()) -> onnx.ModelProto:
    """The same graph for any number of images, tried with three that are made from the inputs ``image`` of one.

    ``parts`` are inputs with several rows for each image, in the order of the images and as many for each; the traced
    graph puts what it computes of them under a first axis of their own (Unsqueeze).

    Raises
    ------
    ValueError
        Images in one run influence each other, or an output does not depend on them.
    """
    opened = _opened(model, parts)
    difference = difference_together(opened.SerializeToString(), image, 3)
    if not difference <= TOLERANCE:
        raise ValueError(f"Images in one run change each other's results by {difference:.2g}.")
    return opened


def difference_together(graph: bytes, images: Arrays, count: int) -> float:
    """Largest difference of an output between ``count`` images in one run and each in a run of its own.

    ``images`` are the inputs of one image; the others are made from it.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    each = [
        {name: one + generator.normal(0.0, 0.1, one.shape).astype(np.float32) for name, one in images.items()}
        for _ in range(count)
    ]
    together = session.run(None, {name: np.concatenate([one[name] for one in each]) for name in images})
    alone = zip(*(session.run(None, one) for one in each), strict=True)
    return max(
        float(np.abs(np.asarray(all_of_them) - np.concatenate(values)).max())
        for all_of_them, values in zip(together, alone, strict=True)
    )


def _opened(model: onnx.ModelProto, parts: Collection[str]) -> onnx.ModelProto:
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    images, of_parts = {one.name for one in graph.input if one.name not in parts}, set(parts)
    first = min(images)
    for node in tuple(graph.node):
        if of_parts.intersection(node.input) and _adds_first_axis(node, constants):
            _share_out(graph, node, first)
        elif images.intersection(node.input) and node.op_type != "Shape":
            _keep_images(graph, node, constants)
        else:
            of_parts.update(node.output if of_parts.intersection(node.input) else ())
            continue
        images.update(node.output)
    if missing := [one.name for one in graph.output if one.name not in images]:
        raise ValueError(f"The output {', '.join(missing)} does not depend on the images.")
    for one in (*graph.input, *graph.output):
        one.type.tensor_type.shape.dim[0].dim_param = f"{IMAGES}*{one.name}" if one.name in parts else IMAGES
    del graph.value_info[:]
    _forget_unread(graph)
    return shape_inference.infer_shapes(model, strict_mode=True)


def _adds_first_axis(node: onnx.NodeProto, constants: Mapping[str, NDArray[np.generic]]) -> bool:
    return node.op_type == "Unsqueeze" and constants[node.input[1]].tolist() == [0]


def _keep_images(graph: onnx.GraphProto, node: onnx.NodeProto, constants: Mapping[str, NDArray[np.generic]]) -> None:
    if node.op_type != "Reshape":
        return
    # A shape that depends on the picture's size is put together at run time; its first part is a constant all the same.
    joined = next((one for one in graph.node if one.op_type == "Concat" and one.output[0] == node.input[1]), None)
    first, *others = constants[joined.input[0] if joined is not None else node.input[1]].tolist()
    if first == -1:
        return
    if first != 1:
        raise ValueError(f"{node.name} does not keep images apart.")
    shape = _constant(graph, f"{node.output[0]}/shape", [AS_BEFORE, *others])
    if joined is not None:
        joined.input[0] = shape
    else:
        node.input[1] = shape
    del node.attribute[:]  # allowzero would make none of AS_BEFORE


def _share_out(graph: onnx.GraphProto, node: onnx.NodeProto, images: str) -> None:
    """Reshape (images · parts, …) to (images, parts, …) where the traced graph took all parts as those of one image."""
    name, place = node.output[0], list(graph.node).index(node)
    rest = [dim.dim_value for dim in _dims(graph, node.input[0])[1:]]
    counts, shape = f"{name}/images", f"{name}/shape"
    made = [
        helper.make_node("Shape", [images], [counts], counts, start=0, end=1),
        helper.make_node("Concat", [counts, _constant(graph, f"{name}/rest", [-1, *rest])], [shape], shape, axis=0),
        helper.make_node("Reshape", [node.input[0], shape], [name], node.name),
    ]
    graph.node.remove(node)
    for number, one in enumerate(made):
        graph.node.insert(place + number, one)


def _forget_unread(graph: onnx.GraphProto) -> None:
    """Remove constants that nothing reads any more."""
    read = {name for node in graph.node for name in node.input}
    for tensor in [one for one in graph.initializer if one.name not in read]:
        graph.initializer.remove(tensor)


def _dims(graph: onnx.GraphProto, name: str) -> list[onnx.TensorShapeProto.Dimension]:
    return next(list(one.type.tensor_type.shape.dim) for one in graph.value_info if one.name == name)


def _constant(graph: onnx.GraphProto, name: str, values: list[int]) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name
