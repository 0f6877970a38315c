"""Image classifiers of five kinds under one contract, before they become the graph of a package.

All take images with values from -1 (black) to 1 (white), shape (N, channels, H, W), and have the same head: a 1×1
convolution turns the last features into one map per class, and the logit of a class is the mean of its map. The class
activation map (Zhou et al., CVPR 2016) is therefore exact, costs nothing extra, and equals Grad-CAM of the last layer
before rectification.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - what every torch program calls it


class Architecture(StrEnum):
    """The values of ``--arch``."""

    CNN = "cnn"
    RESNET = "resnet"
    MOBILENET = "mobilenet"
    DENSENET = "densenet"
    SQUEEZENET = "squeezenet"


def build(architecture: Architecture, classes: int, channels: int = 1, *, dropout: float = 0.2) -> ClassifierNet:
    """A network with fresh weights for images of 1 or 3 channels and at least 64 × 64 pixels."""
    features, width = _BUILDERS[architecture](channels)
    for module in features.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return ClassifierNet(features, width, classes, dropout)


class ClassifierNet(nn.Module):
    """Features, then one evidence map per class whose mean is the logit."""

    def __init__(self, features: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        # Drops whole channels, as dropout after pooling would, but before the maps.
        self.drop = nn.Dropout2d(dropout)
        self.evidence = nn.Conv2d(width, classes, 1)
        nn.init.normal_(self.evidence.weight, std=0.01)
        nn.init.zeros_(cast("Tensor", self.evidence.bias))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self.look(images)[0]

    def look(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, classes), evidence maps (N, classes, h, w) and the last features (N, width, h, w)."""
        deep = self.features(images)
        maps = self.evidence(self.drop(deep))
        return maps.mean((2, 3)), maps, deep


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's padding: with stride 2, an even-sized image is padded below and on the right.

    Without it, weights from TensorFlow are off by half a pixel at each such layer.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, outputs, ceil(H / stride), ceil(W / stride))."""
        rows, columns = (
            max((-(-length // s) - 1) * s + k - length, 0)
            for length, s, k in zip(x.shape[2:], self.stride, self.kernel_size, strict=True)
        )
        pads = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        out: Tensor = self._conv_forward(F.pad(x, pads) if any(pads) else x, self.weight, self.bias)
        return out


def _cnn(channels: int) -> tuple[nn.Module, int]:
    """Five plain stages of convolution, normalisation, rectification and pooling."""
    widths = (16, 32, 64, 128, 128)
    layers: list[nn.Module] = []
    for outputs in widths:
        layers += [_unit(channels, outputs), nn.MaxPool2d(2)]
        channels = outputs
    return nn.Sequential(*layers[:-1]), channels


class Residual(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = _unit(inputs, outputs, stride=stride)
        self.second = nn.Sequential(_unit(outputs, outputs, rectify=False))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _unit(inputs, outputs, size=1, stride=stride, rectify=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, outputs, H / stride, W / stride)."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


def _resnet(channels: int, widths: tuple[int, ...] = (32, 64, 128, 256)) -> tuple[nn.Module, int]:
    """ResNet-18 with half of its channels: 2.8 million weights."""
    layers: list[nn.Module] = [_unit(channels, widths[0], size=7, stride=2), nn.MaxPool2d(3, 2, 1)]
    inputs = widths[0]
    for stage, outputs in enumerate(widths):
        layers += [Residual(inputs, outputs, 2 if stage else 1), Residual(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers), inputs


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project (Sandler et al., CVPR 2018); the projection is not rectified."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        first = [] if expansion == 1 else [_six(inputs, inner, size=1)]
        self.body = nn.Sequential(
            *first, _six(inner, inner, stride=stride, groups=inner), _six(inner, outputs, size=1, rectify=False)
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, outputs, ceil(H / stride), ceil(W / stride))."""
        y = cast("Tensor", self.body(x))
        return x + y if self.adds else y


MOBILENET_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
"""Expansion, channels, blocks and first stride: table 2 of Sandler et al."""


def _mobilenet(channels: int) -> tuple[nn.Module, int]:
    """MobileNetV2 of width 1.0, with TensorFlow's padding."""
    layers: list[nn.Module] = [_six(channels, 32, stride=2)]
    inputs = 32
    for expansion, outputs, blocks, stride in MOBILENET_STAGES:
        for block in range(blocks):
            layers.append(InvertedResidual(inputs, outputs, 1 if block else stride, expansion))
            inputs = outputs
    return nn.Sequential(*layers, _six(inputs, 1280, size=1)), 1280


class Dense(nn.Module):
    """One layer of a dense block: appends its features to its input (Huang et al., CVPR 2017, with bottleneck)."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(), _unit(inputs, 4 * growth, size=1),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, inputs + growth, H, W)."""
        return torch.cat([x, self.body(x)], 1)


def _densenet(channels: int, growth: int = 16, blocks: tuple[int, ...] = (4, 8, 12, 8)) -> tuple[nn.Module, int]:
    """DenseNet-BC of 65 layers with growth 16: 0.6 million weights."""
    layers: list[nn.Module] = [_unit(channels, 2 * growth, size=7, stride=2), nn.MaxPool2d(3, 2, 1)]
    width = 2 * growth
    for stage, count in enumerate(blocks):
        if stage:
            half = width // 2
            layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, half, 1, bias=False), nn.AvgPool2d(2)]
            width = half
        for _ in range(count):
            layers.append(Dense(width, growth))
            width += growth
    return nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU()), width


class Fire(nn.Module):
    """Squeeze, then expand by 1×1 and 3×3 (Iandola et al., 2016)."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, 2 · expand, H, W)."""
        squeezed = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.expand1(squeezed), self.expand3(squeezed)], 1))


def _squeezenet(channels: int) -> tuple[nn.Module, int]:
    """SqueezeNet 1.1, which has no normalisation and learns slowly without pretrained weights."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
    inputs = 64
    for squeeze, expand, pools in (
        (16, 64, False), (16, 64, True), (32, 128, False), (32, 128, True),
        (48, 192, False), (48, 192, False), (64, 256, False), (64, 256, False),
    ):  # fmt: skip
        layers.append(Fire(inputs, squeeze, expand))
        if pools:
            layers.append(nn.MaxPool2d(3, 2))
        inputs = 2 * expand
    return nn.Sequential(*layers), inputs


_BUILDERS: dict[Architecture, Callable[[int], tuple[nn.Module, int]]] = {
    Architecture.CNN: _cnn,
    Architecture.RESNET: _resnet,
    Architecture.MOBILENET: _mobilenet,
    Architecture.DENSENET: _densenet,
    Architecture.SQUEEZENET: _squeezenet,
}


def _unit(inputs: int, outputs: int, *, size: int = 3, stride: int = 1, rectify: bool = True) -> nn.Sequential:
    """Convolution, normalisation and, by default, rectification."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), *([nn.ReLU()] if rectify else []))


def _six(
    inputs: int, outputs: int, *, size: int = 3, stride: int = 1, groups: int = 1, rectify: bool = True
) -> nn.Sequential:
    """MobileNet's unit: TensorFlow's padding and ε of normalisation, ReLU6."""
    convolution = SameConv(inputs, outputs, size, stride, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs, eps=1e-3), *([nn.ReLU6()] if rectify else []))
