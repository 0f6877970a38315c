"""The weights of a shipped quality package as starting weights, for further training and for other tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from miqa_node.stages.assess.card import CARD_NAME, GRAPH_NAME, Card, read_card
from miqa_training.networks import QualityNet

BEGINS_AS = {"noise": "noise_underexposure", "underexposure": "noise_underexposure", "device_in_view": "foreign_object"}
"""Initial weights of classes that older packages did not distinguish."""
BY_CLASS = frozenset({
    "evidence", "classify", "grade", "classify_texture", "grade_texture", "map_weight", "bias", "context",
})  # fmt: skip
"""Parameters of the network with one row per class."""
ROOT = "net."
"""Prefix of the graph's constants: the name of the network in the exported module."""


@torch.no_grad()
def read_package(net: QualityNet, package: Path, classes: Sequence[str]) -> None:
    """Load a package's weights into a network of these classes; a class it lacks starts as the class it was split from.

    A folder without a card is assumed to have the same classes.

    Raises
    ------
    ValueError
        The package holds another network, or lacks a class.
    """
    rows = _rows(read_card(package), classes) if (package / CARD_NAME).is_file() else None
    read_weights(net, package / GRAPH_NAME, rows)


@torch.no_grad()
def read_weights(net: QualityNet, graph: Path, rows: Sequence[int] | None = None) -> None:
    """Load weights from the graph of a quality package; in evaluation mode, the network then gives the graph's results.

    ``rows`` holds the graph's class for each class of the network, by default all in order. Normalisations are folded
    into the graph's convolutions and start as the identity: before training, ``settle`` of
    :mod:`miqa_training.pretrained` must compute their statistics.

    Raises
    ------
    ValueError
        The graph holds another network.
    """
    model = onnx.load(str(graph))
    constants = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer
    }
    folded = set()
    for name, module in net.named_modules():
        if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
            _unfold(module, name, constants, graph)
            folded.add(name)
    for name, value in net.state_dict().items():
        if name.rpartition(".")[0].rpartition(".")[0] in folded or name.endswith("num_batches_tracked"):
            continue
        if name.startswith("removable.") and ROOT + name not in constants:  # up to 0.7.0
            first = net.placed[0] if net.placed else 0
            row = first if rows is None else rows[first]
            value.copy_(_of_classes(constants, name.replace("removable", "evidence"), value, graph, [row]))
        else:
            value.copy_(_of_classes(constants, name, value, graph, rows))


def classes_in(graph: Path) -> int:
    """How many classes the network of a graph has."""
    return next(
        int(tensor.dims[0]) for tensor in onnx.load(str(graph)).graph.initializer if tensor.name == f"{ROOT}bias"
    )


def _rows(card: Card, classes: Sequence[str]) -> list[int]:
    """The index of each class in the package."""
    names = [row.name for row in card.outputs.classes]
    begins = [name if name in names else BEGINS_AS.get(name, name) for name in classes]
    if missing := [name for name in begins if name not in names]:
        raise ValueError(f"{card.name}-{card.version} has no class {', '.join(missing)} to begin with.")
    return [names.index(name) for name in begins]


def _of_classes(
    constants: dict[str, Tensor], name: str, like: Tensor, graph: Path, rows: Sequence[int] | None
) -> Tensor:
    """A constant with its rows (and the severity's inputs from the pooled maps) in the order of the classes."""
    module = name.rpartition(".")[0] or name
    if rows is None or module not in BY_CLASS:
        return _constant(constants, name, like, graph)
    constant = constants.get(ROOT + name)
    if constant is None or constant.shape[0] <= max(rows):
        raise ValueError(f"{graph} holds another network than training/networks.py makes: {name} does not fit.")
    if name == "grade.weight":
        features = like.shape[1] - len(rows)
        shared = torch.tensor([float(list(rows).count(row)) for row in rows])  # a split class counts once
        constant = torch.cat([constant[:, :features], constant[:, features:][:, list(rows)] / shared], 1)
    return constant[list(rows)]


def _unfold(pair: nn.Sequential, name: str, constants: dict[str, Tensor], graph: Path) -> None:
    """A convolution and its normalisation with variance 1 and mean 0, so that only its bias remains."""
    convolution, norm = cast("nn.Conv2d", pair[0]), cast("nn.BatchNorm2d", pair[1])
    convolution.weight.copy_(_constant(constants, f"{name}.weight", convolution.weight, graph))
    norm.weight.fill_((1.0 + norm.eps) ** 0.5)
    norm.bias.copy_(_constant(constants, f"{name}.bias", norm.bias, graph))
    norm.reset_running_stats()


def _constant(constants: dict[str, Tensor], name: str, like: Tensor, graph: Path) -> Tensor:
    constant = constants.get(ROOT + name)
    if constant is None or constant.shape != like.shape:
        raise ValueError(f"{graph} holds another network than training/networks.py makes: {name} does not fit.")
    return constant
