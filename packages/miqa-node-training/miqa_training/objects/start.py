"""The weights of an object package as starting weights, for further training on a site's own marks."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from miqa_node.stages.assess.card import GRAPH_NAME
from miqa_training.objects.network import ObjectNet

COLOURS = 3
ROOT, FOLDED_BIAS = "net.", "_bias"
"""Prefix of the graph's constants, and ending of the bias that a normalisation became."""


@torch.no_grad()
def net_of_package(package: Path) -> ObjectNet:
    """The network of a package; its normalisations, folded into the convolutions, keep their statistics in training.

    Raises
    ------
    ValueError
        The package holds another network.
    """
    model = onnx.load(str(package / GRAPH_NAME))
    constants = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}
    net = ObjectNet(settled=True)
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(_constant(constants, f"{name}.weight", module.weight, package))
            if module.bias is not None:
                module.bias.copy_(_constant(constants, f"{name}.bias", module.bias, package))
        elif isinstance(module, nn.Sequential):
            _unfold(module, name, constants, package)
    net.eval()
    return net


def _unfold(layers: nn.Sequential, name: str, constants: dict[str, Tensor], package: Path) -> None:
    """Normalisations with mean 0 and variance 1, of which only the bias remains; ONNX names it by the convolution."""
    last = -1
    for number, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            last = number
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.weight.fill_((1.0 + layer.eps) ** 0.5)
            folded = f"{name}.{last}.weight{FOLDED_BIAS}"
            if ROOT + folded in constants:  # a bias of 0 is left out of the graph
                layer.bias.copy_(_constant(constants, folded, layer.bias, package))
            else:
                layer.bias.zero_()


def _constant(constants: dict[str, Tensor], name: str, like: Tensor, package: Path) -> Tensor:
    constant = constants.get(ROOT + name)
    if constant is not None and constant.ndim == 4 and constant.shape[1] == 1 and like.shape[1] == COLOURS:
        constant = constant.expand_as(like) / COLOURS  # the stem of a graph reads one channel
    if constant is None or constant.shape != like.shape:
        raise ValueError(f"{package.name} holds another network than training makes: {name} does not fit.")
    return constant
