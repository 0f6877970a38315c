"""Weights pretrained on everyday photographs, as a start for training with few images (``--pretrained FILE``).

Two published files are read: MobileNetV2 1.0/224 as a TensorFlow Lite flatbuffer with 8-bit weights, which are
dequantised, and SqueezeNet 1.1 as Keras HDF5 in single precision. Both then take the input of all networks in
architectures.py, -1 (black) to 1 (white): their own scaling is folded into the first convolution.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from miqa_training.architectures import Architecture, ClassifierNet, build
from miqa_training.tflite import TfliteLayer, read_tflite

CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
"""Subtracted from 0 to 255 in the order blue, green, red (Keras' ``imagenet_utils``, mode caffe)."""


def pretrained(
    architecture: Architecture, file: Path, classes: int, channels: int = 1, *, dropout: float = 0.2
) -> ClassifierNet:
    """A network with the file's features and a newly initialised classifier.

    With one channel the first convolution takes the gray value for red, green and blue.

    Raises
    ------
    ValueError
        There are no published weights of this kind, or the file holds another network.
    """
    if architecture not in {Architecture.MOBILENET, Architecture.SQUEEZENET}:
        raise ValueError(
            f"There are no pretrained weights for {architecture.value}: take --arch mobilenet or squeezenet, or leave "
            "--pretrained out."
        )
    net = build(architecture, classes, channels, dropout=dropout)
    layers = read_layers(architecture, file)
    _fill(net.features, layers[: _count(net.features)], channels)
    return net


def read_layers(architecture: Architecture, file: Path) -> list[TfliteLayer]:
    """The convolutions of a published file from input to output; the first takes -1 to 1, red first."""
    try:
        if architecture is Architecture.MOBILENET:
            first, *others = read_tflite(file.read_bytes())
            # The file's own input is (q - 128) / 128 of a byte q; here it is q / 127.5 - 1.
            return [_rescaled(first, np.full(3, 127.5 / 128.0), np.full(3, -0.5 / 128.0)), *others]
        first, *others = read_keras(file)
        first = TfliteLayer(first.weight[:, ::-1].copy(), first.bias)
        mean_rgb = np.array(CAFFE_MEAN_BGR[::-1])
        return [_rescaled(first, np.full(3, 127.5), 127.5 - mean_rgb), *others]
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {file} with pretrained weights.") from error
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{file.name} does not hold the weights of {architecture.value}: {error}") from error


def read_keras(file: Path) -> list[TfliteLayer]:
    """Every convolution of a Keras weights file, in the order in which the file names its layers."""
    layers = []
    with h5py.File(file, "r") as content:
        for name in content.attrs["layer_names"]:
            names: list[str] = []
            content[name].visit(names.append)
            arrays = [np.asarray(content[name][n]) for n in names if isinstance(content[name][n], h5py.Dataset)]
            if arrays:
                weight, bias = sorted(arrays, key=np.ndim, reverse=True)
                layers.append(TfliteLayer(np.ascontiguousarray(weight.transpose(3, 2, 0, 1)), bias))
    return layers


@torch.no_grad()
def settle(net: nn.Module, batches: Iterable[Tensor | tuple[Tensor, ...]]) -> None:
    """Give every batch normalisation the mean and variance of its input, without changing what the network computes.

    Published weights come with normalisation folded in. Without this, the first training step would normalise
    activations that were never normalised and destroy what the network learned.
    """
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def watch(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        count = torch.full((norm.num_features,), x.numel() / norm.num_features, dtype=torch.float64)
        sums[norm] += torch.stack([count, x.sum((0, 2, 3)), (x * x).sum((0, 2, 3))])

    hooks = [norm.register_forward_pre_hook(watch) for norm in norms]  # type: ignore[arg-type, unused-ignore]
    was_training = net.training
    net.eval()
    for batch in batches:
        net(*batch) if isinstance(batch, tuple) else net(batch)
    for hook in hooks:
        hook.remove()
    net.train(was_training)
    for norm in norms:
        count, total, squares = sums[norm]
        mean = total / count
        variance = (squares / count - mean * mean).clamp_min(1e-6)
        scale, shift = norm.weight.double(), norm.bias.double()
        old = scale / (cast("Tensor", norm.running_var).double() + norm.eps).sqrt()
        norm.bias.copy_(shift + old * (mean - cast("Tensor", norm.running_mean).double()))
        norm.weight.copy_(old * (variance + norm.eps).sqrt())
        cast("Tensor", norm.running_mean).copy_(mean)
        cast("Tensor", norm.running_var).copy_(variance)


def _fill(features: nn.Module, layers: list[TfliteLayer], channels: int) -> None:
    convolutions = [m for m in features.modules() if isinstance(m, nn.Conv2d)]
    if len(convolutions) != len(layers):
        raise ValueError(
            f"The pretrained weights have {len(layers)} convolutions, the network has {len(convolutions)}."
        )
    if channels == 1:
        layers = [TfliteLayer(layers[0].weight.sum(1, keepdims=True), layers[0].bias), *layers[1:]]
    norms = [m for m in features.modules() if isinstance(m, nn.BatchNorm2d)]
    for convolution, layer in zip(convolutions, layers, strict=True):
        _copy(convolution, layer)
    for norm, layer in zip(norms, layers if norms else [], strict=True):
        norm.weight.data.fill_((1.0 + norm.eps) ** 0.5)  # variance 1, mean 0: only the bias remains
        norm.bias.data.copy_(torch.from_numpy(layer.bias))


def _copy(convolution: nn.Conv2d, layer: TfliteLayer) -> None:
    if tuple(convolution.weight.shape) != layer.weight.shape:
        raise ValueError(
            f"The pretrained weights have a convolution of shape {layer.weight.shape} where the network has "
            f"{tuple(convolution.weight.shape)}: it is another network."
        )
    convolution.weight.data.copy_(torch.from_numpy(layer.weight))
    if convolution.bias is not None:
        convolution.bias.data.copy_(torch.from_numpy(layer.bias))


def _count(features: nn.Module) -> int:
    return sum(isinstance(m, nn.Conv2d) for m in features.modules())


def _rescaled(layer: TfliteLayer, scale: NDArray[np.float64], offset: NDArray[np.float64]) -> TfliteLayer:
    """The layer for input x, from a layer for scale · x + offset; both per input channel."""
    weight = layer.weight.astype(np.float64)
    bias = layer.bias + np.einsum("oihw,i->o", weight, offset)
    return TfliteLayer((weight * scale[None, :, None, None]).astype(np.float32), bias.astype(np.float32))
