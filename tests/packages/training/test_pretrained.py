"""Published weights are read right: shapes, order, scaling, and what the networks say of photographs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")
flatbuffers = pytest.importorskip("flatbuffers")
h5py = pytest.importorskip("h5py")

from miqa_training.architectures import Architecture, build  # noqa: E402
from miqa_training.pretrained import (  # noqa: E402
    _copy,
    _fill,
    pretrained,
    read_keras,
    read_layers,
    settle,
)
from miqa_training.tflite import read_tflite  # noqa: E402
from tests.pictures import picture_pixels  # noqa: E402

pytestmark = pytest.mark.more

MOBILENET = "mobilenet_v2_1.0_224_quant.tflite"
SQUEEZENET = "squeezenet1_1_imagenet_notop_keras_tf.h5"
REFERENCE = {
    # Five largest logits of the published 8-bit net, run by ai-edge-litert 2.3.0 on the photographs of scikit-learn and
    # Matplotlib made 224 × 224 (cv2.INTER_AREA): ImageNet's palace, honeycomb (of a dahlia) and military uniform.
    "china": {699: 10.9771, 664: 9.8893, 976: 9.1970, 484: 9.0981, 443: 8.9992},
    "flower": {600: 9.8893, 310: 8.9003, 995: 8.2081, 992: 7.9114, 110: 7.7136},
    "hopper": {653: 11.9660, 753: 7.6147, 835: 7.5158, 668: 7.4169, 982: 7.0214},
}


def _photographs() -> dict[str, np.ndarray]:
    from matplotlib import cbook
    from sklearn.datasets import load_sample_image

    photographs = {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    path = Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    photographs["hopper"] = cv2.cvtColor(picture_pixels(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return {k: cv2.resize(np.asarray(v), (224, 224), interpolation=cv2.INTER_AREA) for k, v in photographs.items()}


def _imagenet_classifier(file: Path) -> torch.nn.Module:
    """The whole published MobileNetV2 with its 1,001 classes ("background" first)."""
    layers = read_layers(Architecture.MOBILENET, file)
    net = build(Architecture.MOBILENET, len(layers[-1].bias), 3)
    _fill(net.features, layers[:-1], 3)
    _copy(net.evidence, layers[-1])
    net.eval()
    return net


def _tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1.0)


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_mobilenet_says_of_photographs_what_the_published_net_says(shared_data: Path) -> None:
    net = _imagenet_classifier(shared_data / "pretrained" / MOBILENET)
    labels = (shared_data / "pretrained" / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    named = {int(line.split(maxsplit=1)[0]): line.split(maxsplit=1)[1] for line in labels}
    top_labels = {}
    for name, image in _photographs().items():
        with torch.no_grad():
            logits = net(_tensor(image))[0].numpy()
        expected = REFERENCE[name]
        assert int(logits.argmax()) == max(expected, key=lambda k: expected[k])
        assert set(expected) == set(np.argsort(-logits)[:5].tolist())
        for column, value in expected.items():
            assert logits[column] == pytest.approx(value, abs=0.5)  # an 8-bit net rounds at each of 53 layers
        top_labels[name] = named[int(logits.argmax())]
    assert top_labels == {"china": "palace", "flower": "honeycomb", "hopper": "military uniform"}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("architecture", "name"), [(Architecture.MOBILENET, MOBILENET), (Architecture.SQUEEZENET, SQUEEZENET)]
)
def test_gray_pictures_give_the_features_of_equal_colours(
    shared_data: Path, architecture: Architecture, name: str
) -> None:
    file = shared_data / "pretrained" / name
    colour, gray = (pretrained(architecture, file, 2, channels).eval() for channels in (3, 1))
    image = torch.rand(1, 1, 96, 96) * 2 - 1
    with torch.no_grad():
        a, b = colour.features(image.expand(-1, 3, -1, -1)), gray.features(image)
    assert float(a.abs().max()) > 0.5
    assert torch.allclose(a, b, atol=2e-4 * float(a.abs().max()))


@pytest.mark.shared
def test_squeezenet_computes_what_its_file_describes(shared_data: Path) -> None:
    """The first two layers, computed from the file's own arrays and its own preprocessing without torch."""
    file = shared_data / "pretrained" / SQUEEZENET
    net = pretrained(Architecture.SQUEEZENET, file, 2, 3).eval()
    image = _photographs()["china"][:64, :64]
    bgr = image[:, :, ::-1].astype(np.float64) - np.array((103.939, 116.779, 123.68))
    with h5py.File(file) as content:
        kernel, bias = np.asarray(content["conv1/uniform1"]), np.asarray(content["conv1/conv1_b"])
    windows = np.lib.stride_tricks.sliding_window_view(bgr, (3, 3), axis=(0, 1))[::2, ::2]
    expected = np.maximum(np.einsum("yxchw,hwco->oyx", windows, kernel) + bias[:, None, None], 0)
    with torch.no_grad():
        got = cast("Any", net.features)[:2](_tensor(image))[0].numpy()
    assert got.shape == expected.shape == (64, 31, 31)
    assert np.abs(got - expected).max() < 1e-3 * expected.max()
    assert len(read_keras(file)) == 25
    assert sum(layer.weight.size + layer.bias.size for layer in read_keras(file)) == 722_496


def test_settling_leaves_the_function_and_makes_training_go_on_from_it() -> None:
    torch.manual_seed(4)
    net = build(Architecture.MOBILENET, 2, 1)
    for norm in (m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
        torch.nn.init.normal_(norm.bias, std=0.3)
    images = torch.randn(6, 1, 64, 64)
    net.eval()
    with torch.no_grad():
        before = net.features(images)
        forgotten = float((copy.deepcopy(net).train().features(images) - before).abs().mean())
        settle(net, [images[:2], images[2:]])
        after = net.features(images)
        net.train()
        difference = float((net.features(images) - before).abs().mean())
    assert not net.eval().training
    assert torch.allclose(before, after, atol=5e-3 * float(before.abs().max()))  # a random net is rough
    assert difference < 0.02 * forgotten


def _tiny_tflite(weight: np.ndarray, zero_point: int) -> bytes:
    """A model of one convolution, written field by field (schema.fbs, version 3)."""
    b = flatbuffers.Builder(0)

    def table(fields: dict[int, tuple[str, int]]) -> int:
        b.StartObject(max(fields) + 1)
        for slot, (kind, value) in fields.items():
            if kind == "offset":
                b.PrependUOffsetTRelativeSlot(slot, value, 0)
            else:
                getattr(b, f"Prepend{kind}Slot")(slot, value, 0)
        return int(b.EndObject())

    def offsets(items: list[int]) -> int:
        b.StartVector(4, len(items), 4)
        for item in reversed(items):
            b.PrependUOffsetTRelative(item)
        return int(b.EndVector())

    def tensor(shape: tuple[int, ...], kind: int, buffer: int, scale: float, zero: int) -> int:
        sizes = b.CreateNumpyVector(np.array(shape, np.int32))
        scales, zeros = b.CreateNumpyVector(np.array([scale], np.float32)), b.CreateNumpyVector(np.array([zero]))
        quantisation = table({2: ("offset", scales), 3: ("offset", zeros)})
        return table({0: ("offset", sizes), 1: ("Int8", kind), 2: ("Uint32", buffer), 4: ("offset", quantisation)})

    bias = np.array([4, -8], np.int32)
    contents = [b.CreateNumpyVector(raw) for raw in (weight.ravel(), bias.view(np.uint8))]
    buffers = offsets([table({0: ("offset", c)}) for c in contents])
    tensors = offsets(
        [
            tensor((1, 4, 4, 3), 3, 0, 0.5, 128),
            tensor(weight.shape, 3, 0, 0.25, zero_point),
            tensor((2,), 2, 1, 0.125, 0),
        ]
    )
    inputs = b.CreateNumpyVector(np.array([0, 1, 2], np.int32))
    operators = offsets([table({0: ("Uint32", 0), 1: ("offset", inputs)})])
    subgraphs = offsets([table({0: ("offset", tensors), 3: ("offset", operators)})])
    codes = offsets([table({0: ("Int8", 3)})])
    b.Finish(table({0: ("Uint32", 3), 1: ("offset", codes), 2: ("offset", subgraphs), 4: ("offset", buffers)}), b"TFL3")
    return bytes(b.Output())


def test_bytes_become_real_numbers() -> None:
    weight = np.arange(2 * 1 * 1 * 3, dtype=np.uint8).reshape(2, 1, 1, 3)
    [layer] = read_tflite(_tiny_tflite(weight, 3))
    assert layer.weight.shape == (2, 3, 1, 1)
    assert layer.weight.ravel().tolist() == [-0.75, -0.5, -0.25, 0.0, 0.25, 0.5]
    assert layer.bias.tolist() == [0.5, -1.0]


def test_what_is_no_pretrained_network_is_refused_with_a_reason(tmp_path: Path) -> None:
    tiny = _tiny_tflite(np.zeros((2, 1, 1, 3), np.uint8), 0)
    cut, other, text = tmp_path / "cut.tflite", tmp_path / "other.tflite", tmp_path / "weights.h5"
    cut.write_bytes(tiny[:40])
    other.write_bytes(tiny)
    text.write_text("no weights")
    with pytest.raises(ValueError, match="flatbuffer is damaged"):
        read_layers(Architecture.MOBILENET, cut)
    with pytest.raises(ValueError, match="1 convolutions, the network has 52"):
        pretrained(Architecture.MOBILENET, other, 2)
    with pytest.raises(ValueError, match="does not hold the weights of squeezenet"):
        pretrained(Architecture.SQUEEZENET, text, 2)
    with pytest.raises(ValueError, match="no file"):
        pretrained(Architecture.SQUEEZENET, tmp_path / "nothing.h5", 2)
    with pytest.raises(ValueError, match="no pretrained weights for resnet"):
        pretrained(Architecture.RESNET, other, 2)
