"""Gradient graphs: the part of a package's graph that makes maps from gradients, derived when the package was sealed.

``model.gradients.onnx`` beside ``model.onnx`` has the nodes, one output named after each method, and the checksum of
the graph that it was derived from. It has none of that graph's weights: they are inputs under their own names, and
become initializers when the graph of a method is loaded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from miqa_node.core.settings import Accelerator, AssessSettings
from miqa_node.errors import ModelPackageError
from miqa_node.stages.assess.bare import embedded_gradients, read_metadata
from miqa_node.stages.assess.card import BaseCard, gradient_file
from miqa_node.stages.assess.graph_parts import keep_outputs
from miqa_node.stages.assess.onnx_format import ModelProto
from miqa_node.stages.assess.self_contained import graph_bytes, parse_graph, read_graph
from miqa_node.stages.assess.session import GraphSession

SEED = "seed"
"""The input that says of which class the map is; a row of zeros with a one for each map."""
SOURCE_KEY = "miqa_gradients_of"
"""Key of the metadata: SHA-256 of the graph that the gradients were derived from."""


def check_gradients(folder: Path, card: BaseCard) -> None:
    """Refuse a package with a gradient graph of another graph; checksums must have been compared before."""
    for graph in card.graphs:
        name = gradient_file(graph)
        if name not in card.files:
            continue
        metadata = {item.key: item.value for item in read_graph(folder / name).metadata_props}
        if metadata.get(SOURCE_KEY) != card.files[graph]:
            raise ModelPackageError(
                "{folder}: {name} was not derived from this {graph}; derive it again (miqa-node models seal).",
                folder=folder.name,
                name=name,
                graph=graph,
            )


def try_gradients(package: Path, card: BaseCard, accelerator: Accelerator, settings: AssessSettings) -> None:
    """Load the gradient graphs of a package, folder or bare file; ModelPackageError if the runtime cannot."""
    threads = {"intra_op_threads": settings.intra_op_threads, "inter_op_threads": 1}
    for name in card.graphs:
        graph = package if package.is_file() else package / name
        gradients = _gradients(graph, name, card)
        if gradients is not None:
            methods = [output.name for output in gradients.graph.output]
            made = with_weights(gradients, _model(graph, name, card), name, methods)
            GraphSession(bytes(made.SerializeToString()), accelerator, **threads)


def graph_with_maps(graph: Path, name: str, card: BaseCard, method: str) -> bytes | None:
    """The graph that makes maps by a method; None if it was not sealed in.

    ``graph`` is the file that the card lists as ``name``, or a bare package.

    Raises
    ------
    ModelPackageError
        A file was changed or removed since the package was opened, or they do not belong together.
    """
    gradients = _gradients(graph, name, card)
    if gradients is None or method not in {output.name for output in gradients.graph.output}:
        return None
    return bytes(with_weights(gradients, _model(graph, name, card), name, [method]).SerializeToString())


def with_weights(gradients: ModelProto, model: ModelProto, name: str, outputs: list[str]) -> ModelProto:
    """The part of a gradient graph that some of its outputs need, with the weights of the graph that it belongs to."""
    made = keep_outputs(gradients, outputs)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    own = {one.name for one in model.graph.input} | {SEED}
    if foreign := [one.name for one in made.graph.input if one.name not in weights.keys() | own]:
        raise ModelPackageError(
            "The gradient graph of {name} needs {foreign}, which {name} does not have.",
            name=name,
            foreign=f"{foreign[0]!r}",
        )
    made.graph.initializer.extend(weights[one.name] for one in made.graph.input if one.name in weights)
    inputs = [one for one in made.graph.input if one.name in own]
    del made.graph.input[:]
    made.graph.input.extend(inputs)
    return made


def _gradients(graph: Path, name: str, card: BaseCard) -> ModelProto | None:
    if not card.files:
        return embedded_gradients(graph.name, read_metadata(graph))
    if gradient_file(name) not in card.files:
        return None
    return _unchanged(graph.with_name(gradient_file(graph.name)), card.files[gradient_file(name)])


def _model(graph: Path, name: str, card: BaseCard) -> ModelProto:
    return _unchanged(graph, card.files[name]) if card.files else read_graph(graph)


def _unchanged(file: Path, checksum: str) -> ModelProto:
    data = graph_bytes(file)
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ModelPackageError("{file} was changed while it was in use: activate the package again.", file=file.name)
    return parse_graph(data, file.name)
