"""The weights of a shipped quality package as a start: for training it further, and for networks of other tasks."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from miqa_node.training.networks import QualityNet

ROOT = "net."
"""What the exported module calls the network, hence how the names of its constants begin."""


@torch.no_grad()
def read_weights(net: QualityNet, graph: Path) -> None:
    """Fill the network from the graph of a quality package; what it computes in evaluation mode is what the graph says.

    The graph's convolutions hold their normalisation, so normalisations begin as the identity: before training,
    ``settle`` of :mod:`miqa_node.training.pretrained` has to give them their statistics.

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
        if name.rpartition(".")[0].rpartition(".")[0] not in folded and not name.endswith("num_batches_tracked"):
            value.copy_(_constant(constants, name, value, graph))


def _unfold(pair: nn.Sequential, name: str, constants: dict[str, Tensor], graph: Path) -> None:
    """A convolution and its normalisation: variance 1, mean 0, so that only the bias is left of it."""
    convolution, norm = cast("nn.Conv2d", pair[0]), cast("nn.BatchNorm2d", pair[1])
    convolution.weight.copy_(_constant(constants, f"{name}.weight", convolution.weight, graph))
    norm.weight.fill_((1.0 + norm.eps) ** 0.5)
    norm.bias.copy_(_constant(constants, f"{name}.bias", norm.bias, graph))
    norm.reset_running_stats()


def _constant(constants: dict[str, Tensor], name: str, like: Tensor, graph: Path) -> Tensor:
    found = constants.get(ROOT + name)
    if found is None or found.shape != like.shape:
        raise ValueError(f"{graph} holds another network than training/networks.py makes: {name} does not fit.")
    return found
