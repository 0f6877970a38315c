"""Derives the graphs that make maps from the graphs of a package. Only here does the node load onnx.

This is done once, when a package is sealed; only for a package without gradient graphs each worker does it again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
from onnx import helper

from miqa_node.core.files.whole_file import write_whole
from miqa_node.errors import ModelPackageError
from miqa_node.libraries.onnx_vjp import GradientError, add_maps, last_feature_map
from miqa_node.stages.assess.card import BaseCard, gradient_file
from miqa_node.stages.assess.gradient_graph import SOURCE_KEY
from miqa_node.stages.assess.package_checks import sha256_of
from miqa_node.stages.explain.sources import MapSource, map_sources


def derived(graph: Path, source: MapSource) -> onnx.ModelProto:
    """The graph that makes maps by the methods of a source; ModelPackageError if no gradient can be taken."""
    model = onnx.load(str(graph))
    try:
        taps = source.taps or last_feature_map(model, source.logits)
        return add_maps(model, taps, source.logits, source.methods)
    except GradientError as error:
        raise ModelPackageError(str(error)) from error


def write_gradients(folder: Path, card: BaseCard) -> dict[str, str]:
    """Write the gradient graph of each graph of a package that maps are made of; the card must list them afterwards.

    The graphs, each with the reason why no gradient can be taken; it is empty where a gradient graph was written.
    """
    return {source.graph: _write(folder / source.graph, source) for source in map_sources(card)}


def _write(graph: Path, source: MapSource) -> str:
    target = graph.with_name(gradient_file(graph.name))
    target.unlink(missing_ok=True)
    try:
        made = derived(graph, source)
    except ModelPackageError as error:
        return str(error)
    _take_weights_out(made, onnx.load(str(graph)))
    helper.set_model_props(made, {SOURCE_KEY: sha256_of(graph)})
    write_whole(target, made.SerializeToString())
    shutil.copymode(graph, target)  # whoever may read the model
    return ""


def _take_weights_out(made: onnx.ModelProto, model: onnx.ModelProto) -> None:
    """Turn the weights that are those of the model into inputs."""
    of_model = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = [one for one in made.graph.initializer if one == of_model.get(one.name)]
    names = {one.name for one in weights}
    others = [one for one in made.graph.initializer if one.name not in names]
    inputs = [one for one in made.graph.input if one.name not in names]
    inputs += [helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in weights]
    for field, content in ((made.graph.initializer, others), (made.graph.input, inputs)):
        del field[:]
        field.extend(content)
