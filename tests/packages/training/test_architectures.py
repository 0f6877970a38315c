"""The five architectures: what they promise, that they export, and that gradients can be taken through the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest

from miqa_node.libraries.onnx_vjp import SEED, add_gradients, gradient_name

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from miqa_training.architectures import Architecture, SameConv, build

pytestmark = pytest.mark.more


class _Looking(torch.nn.Module):
    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Any) -> Any:
        return self.net.look(images)


def _exported(net: Any, channels: int) -> onnx.ModelProto:
    program = torch.onnx.export(
        _Looking(net.eval()), (torch.randn(1, channels, 64, 64),), dynamo=True, opset_version=18, verbose=False,
        input_names=["images"], output_names=["logits", "maps", "deep"],
    )  # fmt: skip
    assert program is not None
    model: onnx.ModelProto = program.model_proto  # without torch its type is not known
    return model


@pytest.mark.parametrize("architecture", Architecture)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_logit_is_the_mean_of_its_map(architecture: Architecture, channels: int) -> None:
    torch.manual_seed(1)
    net = build(architecture, 4, channels).eval()
    images = torch.randn(2, channels, 96, 64)
    with torch.no_grad():
        logits, maps, deep = net.look(images)
        assert torch.equal(net(images), logits)
    assert logits.shape == (2, 4)
    assert maps.shape == (2, 4, *deep.shape[2:])
    assert torch.allclose(maps.mean((2, 3)), logits, atol=1e-6)
    assert not torch.allclose(logits[0], logits[1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "architecture",
    list(Architecture),
)
def test_the_graph_gives_the_gradients_of_torch(architecture: Architecture) -> None:
    torch.manual_seed(2)
    channels = 3 if architecture is Architecture.MOBILENET else 1
    net = build(architecture, 3, channels)
    net.train()
    with torch.no_grad():  # normalisation that does something
        net(torch.randn(8, channels, 64, 64) * 2)
    graph = add_gradients(_exported(net, channels), ["deep"], "logits")
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    images = torch.randn(1, channels, 64, 64)
    seed = np.eye(3, dtype=np.float32)
    logits, gradient = session.run(["logits", gradient_name("deep")], {"images": images.numpy(), SEED: seed})
    expected_logits, _, deep = net.look(images)
    assert np.abs(expected_logits.detach().numpy() - logits[:1]).max() < 1e-3 * max(
        1.0, float(expected_logits.detach().abs().max())
    )
    for row in range(3):
        [by_torch] = torch.autograd.grad(expected_logits[0, row], deep, retain_graph=True)
        assert np.abs(by_torch[0].numpy() - gradient[row]).max() < 1e-4 * float(by_torch.abs().max())


@pytest.mark.parametrize("side", [7, 8])
def test_same_padding_is_that_of_tensorflow(side: int) -> None:
    layer = SameConv(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(layer.weight)
    image = torch.arange(side * side, dtype=torch.float32).reshape(1, 1, side, side)
    with torch.no_grad():
        made = layer(image)
    assert made.shape[2:] == (4, 4)
    # An even side gets all its padding below and on the right, an odd one is padded on both sides.
    first = image[0, 0, :3, :3].sum() if side % 2 == 0 else image[0, 0, :2, :2].sum()
    assert made[0, 0, 0, 0] == first
