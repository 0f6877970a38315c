"""The inference process: what it answers, which images share a run, and what happens when it ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from miqa_node.core.settings import Accelerator, load_settings, share_dir
from miqa_node.isolation.inference import has_inference_process
from miqa_node.stages.assess.graph import IMAGES
from miqa_node.stages.assess.inference.batches import Array, Arrays, Batches
from miqa_node.stages.assess.session import facts_of, open_graph
from tests.waiting import wait_until

SHIPPED = sorted(set(share_dir("models").glob("*/*.onnx")) - set(share_dir("models").glob("*/*.gradients.onnx")))
LIMIT_S = 60.0
ROUNDING = 1e-4


def doubling(size: int | str = IMAGES) -> bytes:
    """A graph that doubles images of two values, as many as ``size`` says."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, 2]) for name in ("image", "twice")]
    node = helper.make_node("Add", ["image", "image"], ["twice"])
    made = helper.make_graph([node], "doubling", values[:1], values[1:])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def image(number: float) -> dict[str, Array]:
    return {"image": np.full((1, 2), number, np.float32)}


class OpenBatches(dict[object, Any]):
    """Batches that take images, and those that are full by now."""

    def __init__(self) -> None:
        super().__init__()
        self._all: list[Any] = []

    def __setitem__(self, key: object, batch: Any) -> None:
        self._all.append(batch)
        super().__setitem__(key, batch)

    def images(self) -> int:
        """Number of images in all of them."""
        return sum(len(batch.images) for batch in self._all)


class Device:
    """Runs that double the image, and what was run; an image of 13 fails."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.lock = threading.Lock()

    def run(self, outputs: Sequence[str], inputs: Arrays) -> Sequence[Array]:
        self.sizes.append(len(inputs["image"]))
        if (inputs["image"] == 13.0).any():
            raise ValueError("13")
        return [2.0 * inputs["image"] for _ in outputs]

    def batches(self, most: int) -> Batches:
        return Batches(self.run, self.lock, most=most, wait_s=0.0)

    def together(self, batches: Batches, images: Sequence[Arrays]) -> list[Array | str]:
        """The answers to images that all wait while the device is busy with something else."""

        opened = batches._open = OpenBatches()

        def answer(one: Arrays) -> Array | str:
            try:
                return batches.run(["twice"], one)[0]
            except ValueError as error:
                return str(error)

        with ThreadPoolExecutor(len(images)) as pool:
            with self.lock:
                answers = [pool.submit(answer, one) for one in images]
                wait_until(lambda: opened.images() == len(images), LIMIT_S)
            return [one.result(LIMIT_S) for one in answers]


def test_images_that_wait_share_a_run_and_each_gets_its_own_results() -> None:
    device = Device()
    batches = device.batches(most=8)
    answers = device.together(batches, [image(number) for number in range(8)])
    assert [float(np.asarray(answer)[0, 0]) for answer in answers] == [2.0 * number for number in range(8)]
    assert sum(device.sizes) == 8
    assert len(device.sizes) < 8


def test_a_run_takes_no_more_images_than_allowed() -> None:
    device = Device()
    device.together(device.batches(most=3), [image(number) for number in range(8)])
    assert sum(device.sizes) == 8
    assert max(device.sizes) <= 3


def test_an_image_that_fails_fails_alone() -> None:
    device = Device()
    answers = device.together(device.batches(most=8), [image(number) for number in (1.0, 13.0, 2.0)])
    assert answers[1] == "13"
    assert [float(np.asarray(answers[place])[0, 0]) for place in (0, 2)] == [2.0, 4.0]


def test_images_of_other_shapes_have_runs_of_their_own() -> None:
    device = Device()
    other = {"image": np.ones((1, 3), np.float32)}
    answers = device.together(device.batches(most=8), [image(1.0), other, image(2.0)])
    assert [np.asarray(answer).shape for answer in answers] == [(1, 2), (1, 3), (1, 2)]


def test_an_image_alone_waits_no_longer_than_set() -> None:
    device = Device()
    batches = Batches(device.run, device.lock, most=8, wait_s=0.01)
    assert float(batches.run(["twice"], image(4.0))[0][0, 0]) == 8.0
    assert device.sizes == [1]


def test_a_graph_for_one_image_is_known_as_such() -> None:
    def takes_any(size: int | str) -> bool:
        return facts_of(open_graph(doubling(size), Accelerator.CPU, (1, 1), is_for_one=False)).takes_any_number

    assert takes_any(IMAGES)
    assert not takes_any(1)
    assert not takes_any("batch")  # whose first axis may be anything


def test_one_process_runs_the_models_where_it_is_set_or_a_gpu_is_found(tmp_path: Path) -> None:
    def has(chosen: str) -> bool:
        return has_inference_process(load_settings(node={"data_dir": tmp_path}, assess={"inference_process": chosen}))

    assert has("on")
    assert not has("off")
