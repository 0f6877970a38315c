"""The added gradients against torch autograd, on networks of the usual families as torch exports them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from miqa_node.libraries.onnx_vjp import SEED, add_gradients, gradient_name

if TYPE_CHECKING:
    import torch
    from torch import nn
else:
    torch = pytest.importorskip("torch")
    nn = torch.nn
pytest.importorskip("onnxscript")
F = nn.functional

pytestmark = [
    pytest.mark.more,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]

CLASSES, SIDE = 5, 64
TOLERANCE = 1e-4
"""Of the peak of the gradient."""


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> Any:
    made = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(made, nn.BatchNorm2d(outputs))


class Basic(nn.Module):
    """Residual block (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.a, self.b = convolution(inputs, outputs, 3, stride), convolution(outputs, outputs)
        self.c = convolution(inputs, outputs, 1, stride)

    def forward(self, x: Any) -> Any:
        return F.relu(self.b(F.relu(self.a(x))) + self.c(x))


class Inverted(nn.Module):
    """Inverted residual, with squeeze and excitation if asked for (Sandler, CVPR 2018; Howard, ICCV 2019)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, activation: Any, excite: bool) -> None:
        super().__init__()
        wide = 3 * inputs
        self.grow, self.each = convolution(inputs, wide, 1), convolution(wide, wide, kernel, stride, wide)
        self.shrink, self.activation, self.keep = convolution(wide, outputs, 1), activation, inputs == outputs
        self.excite = nn.ModuleList([nn.Conv2d(wide, 8, 1), nn.Conv2d(8, wide, 1)]) if excite else None

    def forward(self, x: Any) -> Any:
        y = self.activation(self.each(self.activation(self.grow(x))))
        if self.excite is not None:
            squeezed = F.relu(self.excite[0](F.adaptive_avg_pool2d(y, 1)))
            y = y * F.hardsigmoid(self.excite[1](squeezed))
        y = self.shrink(y)
        return y + x if self.keep else y


class Dense(nn.Module):
    """Dense block with its transition (Huang et al., CVPR 2017)."""

    def __init__(self, inputs: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(inputs + n * growth), nn.ReLU(),
                          nn.Conv2d(inputs + n * growth, growth, 3, padding=1))
            for n in range(layers)
        )  # fmt: skip
        last = inputs + layers * growth
        self.transition = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(), nn.Conv2d(last, last // 2, 1), nn.AvgPool2d(2))

    def forward(self, x: Any) -> Any:
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.transition(torch.cat(features, 1))


class Fire(nn.Module):
    """Squeeze, then expand in two sizes (Iandola et al., 2016)."""

    def __init__(self, inputs: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, narrow, 1)
        self.one, self.three = nn.Conv2d(narrow, wide, 1), nn.Conv2d(narrow, wide, 3, padding=1)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)


class NeXt(nn.Module):
    """ConvNeXt block: layer normalisation and Gelu in a residual (Liu et al., CVPR 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.each, self.norm = nn.Conv2d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        y = self.shrink(F.gelu(self.grow(self.norm(self.each(x).permute(0, 2, 3, 1)))))
        return x + y.permute(0, 3, 1, 2)


class Staged(nn.Module):
    """Stages, whose outputs are the taps, and a head."""

    def __init__(self, stages: list[Any], head: Any) -> None:
        super().__init__()
        self.stages, self.head = nn.ModuleList(stages), head

    def forward(self, x: Any) -> Any:
        taps = []
        for stage in self.stages:
            x = stage(x)
            taps.append(x)
        return self.head(x), *taps


def linear(width: int) -> Any:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


def resnet() -> Any:
    stem = nn.Sequential(convolution(1, 8, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return Staged([stem, Basic(8, 16, 1), Basic(16, 24, 2), Basic(24, 32, 2)], linear(32))


def mobilenet_v2() -> Any:
    stem = nn.Sequential(convolution(1, 8, 3, 2), nn.ReLU6())
    stages = [Inverted(8, 8, 3, 1, F.relu6, False), Inverted(8, 12, 3, 2, F.relu6, False)]
    last = nn.Sequential(Inverted(12, 16, 3, 2, F.relu6, False), convolution(16, 32, 1), nn.ReLU6())
    return Staged([stem, *stages, last], linear(32))


def mobilenet_v3() -> Any:
    stem = nn.Sequential(convolution(1, 8, 3, 2), nn.Hardswish())
    stages = [Inverted(8, 12, 3, 2, F.relu, True), Inverted(12, 12, 5, 1, F.hardswish, True)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 24), nn.Hardswish(), nn.Dropout(),
                         nn.Linear(24, CLASSES))  # fmt: skip
    return Staged([stem, *stages, Inverted(12, 16, 5, 2, F.hardswish, True)], head)


def efficientnet() -> Any:
    stem = nn.Sequential(convolution(1, 8, 3, 2), nn.SiLU())
    return Staged([stem, Inverted(8, 12, 3, 2, F.silu, True), Inverted(12, 16, 5, 2, F.silu, True)], linear(16))


def densenet() -> Any:
    stem = nn.Sequential(convolution(1, 8, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return Staged([stem, Dense(8, 6, 3), Dense(13, 6, 3), nn.Sequential(nn.BatchNorm2d(15), nn.ReLU())], linear(15))


def squeezenet() -> Any:
    stem = nn.Sequential(nn.Conv2d(1, 8, 3, 2), nn.ReLU())
    first = nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 4, 8))
    second = nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(16, 6, 12), nn.Dropout())
    head = nn.Sequential(nn.Conv2d(24, CLASSES, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Staged([stem, first, second], head)


def convnext() -> Any:
    stages = [nn.Conv2d(1, 8, 4, 4), NeXt(8), nn.Sequential(nn.GroupNorm(2, 8), nn.Conv2d(8, 12, 2, 2), NeXt(12))]
    return Staged(stages, linear(12))


class Pyramid(nn.Module):
    """Fused scales pooled by log-mean-exp, as the quality network does."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.deep = Basic(1, 8, 4), Basic(8, 12, 2)
        self.left, self.right, self.cells = convolution(8, 6, 1), convolution(12, 6, 1), nn.Conv2d(6, CLASSES, 1)

    def forward(self, x: Any) -> Any:
        fine = self.fine(x)
        deep = self.deep(fine)
        fused = F.relu(self.left(fine) + F.interpolate(self.right(deep), scale_factor=2.0, mode="nearest"))
        cells = self.cells(fused).clamp(-15.0, 15.0)
        return (cells * 4.0).exp().mean((2, 3)).clamp_min(1e-20).log() / 4.0, fine, deep, fused


NETS: list[Callable[[], Any]] = [
    resnet, mobilenet_v2, mobilenet_v3, efficientnet, densenet, squeezenet, convnext, Pyramid,
]  # fmt: skip


@pytest.mark.parametrize("make", NETS, ids=lambda make: make.__name__.lower())
def test_gradients_equal_those_of_torch(run: Any, make: Callable[[], Any]) -> None:
    net = initialised(make())
    x = torch.randn(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        names = [f"tap{n}" for n in range(len(net(x)) - 1)]
    model = exported(net, x, names)
    seed = torch.zeros(3, CLASSES)
    seed[0, 1], seed[1, 2], seed[2] = 1.0, -2.0, torch.linspace(-1, 1, CLASSES)
    out = run(add_gradients(model, names, "logits"), {"x": x.numpy(), SEED: seed.numpy()})
    logits, *taps = net(x)
    expected = torch.autograd.grad((logits * seed).sum(), taps)
    for name, gradient in zip(names, expected, strict=True):
        peak = float(gradient.abs().max())
        assert peak > 0.0
        error = float(np.abs(out[gradient_name(name)] - gradient.numpy()).max()) / peak
        assert error < TOLERANCE, f"{name}: {error:.1e} of the peak"


def test_ties_of_maxima_go_where_torch_sends_them(run: Any, graph: Any) -> None:
    """Whole numbers, so that most windows hold their maximum more than once."""
    from onnx import helper

    x = torch.randint(0, 3, (2, 3, 9, 8), generator=torch.Generator().manual_seed(2)).float().requires_grad_()
    pooled = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1)
    largest = helper.make_node("GlobalMaxPool", ["x"], ["y"])
    cases: list[tuple[Any, Callable[[Any], Any]]] = [
        (pooled, lambda v: F.max_pool2d(v, 3, 2, 1, ceil_mode=True)),
        (largest, lambda v: F.adaptive_max_pool2d(v, 1)),
    ]
    for node, function in cases:
        y = function(x).flatten(1)
        seed = torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
        [expected] = torch.autograd.grad((y * seed).sum(), x)
        full = add_gradients(graph([node], (2, 3, 9, 8)), ["x"], "logits")
        out = run(full, {"x": x.detach().numpy(), SEED: seed.numpy()})
        np.testing.assert_allclose(out[gradient_name("x")], expected.numpy(), rtol=1e-6, atol=1e-6)


def initialised(net: Any) -> Any:
    """Weights, and statistics of normalisations, that are far from those of a new network."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.1)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
            with torch.no_grad():
                module.weight.copy_(torch.rand(module.weight.shape, generator=generator) + 0.5)
                module.bias.copy_(torch.randn(module.bias.shape, generator=generator) * 0.1)
    return net.eval()


def exported(net: Any, x: Any, taps: list[str]) -> Any:
    program = torch.onnx.export(
        net, (x,), dynamo=True, opset_version=18, input_names=["x"], output_names=["logits", *taps],
        dynamic_shapes=({0: torch.export.Dim("images", min=1, max=64)},), external_data=False, verbose=False,
    )  # fmt: skip
    assert program is not None
    return program.model_proto
