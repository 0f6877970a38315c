"""The inference process: what it answers, which images share a run, and what happens when it ends."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from onnx import TensorProto, helper

from miqa_node.core.settings import Accelerator, Settings, load_settings, share_dir
from miqa_node.errors import ModelPackageError
from miqa_node.isolation.inference import InferenceProcess, has_inference_process
from miqa_node.stages.assess.graph import IMAGES, GraphFacts
from miqa_node.stages.assess.inference.batches import Array, Arrays, Batches
from miqa_node.stages.assess.inference.client import InferenceClient
from miqa_node.stages.assess.session import GraphSession, facts_of, open_graph
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


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(node={"data_dir": tmp_path_factory.mktemp("node")}, assess={"inference_process": "on"})


@pytest.fixture
def process(settings: Settings) -> Iterator[InferenceProcess]:
    made = InferenceProcess(settings)
    made.start()
    yield made
    made.close()


def pid_of(process: InferenceProcess) -> int:
    return int(process._process.pid)


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


@pytest.mark.more
def test_it_answers_as_a_session_of_its_own_would(process: InferenceProcess) -> None:
    client = InferenceClient(process.address)
    path = next(one for one in SHIPPED if one.parent.name.startswith("landmarks") and one.name == "model.onnx")
    here = GraphSession(path, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
    there = client.open(path.read_bytes())
    assert isinstance(there.facts, GraphFacts)
    assert (there.facts.inputs, there.facts.outputs) == (here.inputs, here.outputs)
    assert there.facts.metadata == here.metadata
    picture = {"image": np.random.default_rng(0).normal(0.0, 1.0, (1, 1, 256, 256)).astype(np.float32)}
    own = here.run(here.outputs, picture)
    with ThreadPoolExecutor(4) as pool:
        graphs = [InferenceClient(process.address).open(path.read_bytes()) for _ in range(4)]
        for values in pool.map(lambda one: one.run(here.outputs, picture, None, gives_back=False), graphs):
            for name, value in zip(here.outputs, values, strict=True):
                assert np.allclose(value, own[name], rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.more
def test_it_is_started_again_when_it_was_killed(process: InferenceProcess) -> None:
    first = pid_of(process)
    InferenceClient(process.address).open(doubling())
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pid_of(process) != first, LIMIT_S)
    graph = InferenceClient(process.address).open(doubling())
    assert graph.run(["twice"], image(3.0), None, gives_back=False)[0].tolist() == [[6.0, 6.0]]


@pytest.mark.more
def test_a_graph_or_a_request_that_it_cannot_take_is_refused_and_it_goes_on(process: InferenceProcess) -> None:
    client = InferenceClient(process.address)
    with pytest.raises(ModelPackageError, match="cannot load the graph"):
        client.open(b"no graph")
    with pytest.raises(ModelPackageError, match="does not know this request"):
        client.ask(("run", "a" * 64, ("twice",), image(1.0)))
    graph = client.open(doubling())
    with pytest.raises(ModelPackageError, match="could not run the graph"):
        graph.run(["nothing"], image(1.0), None, gives_back=False)
    assert graph.run(["twice"], image(1.0), None, gives_back=False)[0].tolist() == [[2.0, 2.0]]


@pytest.mark.more
def test_a_late_answer_is_not_taken_for_that_to_a_later_question(process: InferenceProcess) -> None:
    client = InferenceClient(process.address)
    graph = client.open(doubling())
    with pytest.raises(TimeoutError):
        graph.run(["twice"], image(1.0), 0.0, gives_back=False)
    assert graph.run(["twice"], image(5.0), None, gives_back=False)[0].tolist() == [[10.0, 10.0]]


@pytest.mark.more
def test_a_graph_stays_loaded_as_long_as_a_worker_that_opened_it(process: InferenceProcess) -> None:
    first, second = InferenceClient(process.address), InferenceClient(process.address)
    key = hashlib.sha256(doubling()).hexdigest()
    assert second.ask(("know", key)) is None
    first.open(doubling())
    first.open(doubling(7))
    other = hashlib.sha256(doubling(7)).hexdigest()
    assert second.ask(("know", key)) is not None
    first._connection.close()
    wait_until(lambda: is_forgotten(process, other), LIMIT_S)  # its end was noticed
    graph = second.open(doubling())
    assert graph.run(["twice"], image(1.0), None, gives_back=False)[0].tolist() == [[2.0, 2.0]]
    second._connection.close()
    wait_until(lambda: is_forgotten(process, key), LIMIT_S)


def is_forgotten(process: InferenceProcess, key: str) -> bool:
    client = InferenceClient(process.address)
    facts = client.ask(("know", key))
    client._connection.close()
    return facts is None


@pytest.mark.more
def test_strangers_are_refused_and_its_owner_s_end_is_its_own(process: InferenceProcess, settings: Settings) -> None:
    InferenceClient(process.address)
    with pytest.raises((AuthenticationError, EOFError, ConnectionError)):
        Client(process.address, "AF_UNIX", authkey=b"guessed")
    client = InferenceClient(process.address)
    client._connection.send_bytes(b"cos\nsystem\n(S'true'\ntR.")  # a pickle that runs a program
    assert client._connection.poll(LIMIT_S)
    with pytest.raises(EOFError):
        client._connection.recv_bytes()
    other = InferenceProcess(settings)
    other.start()
    InferenceClient(other.address)
    other.thread.stop(LIMIT_S)
    other._alive.close()  # as the system does when the node is killed
    wait_until(lambda: not psutil.pid_exists(pid_of(other)) or not other._process.is_alive(), LIMIT_S)
    other.close()


@pytest.mark.more
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_graphs_take_any_number_of_images_and_keep_them_apart(path: Path) -> None:
    session = open_graph(path, Accelerator.CPU, (1, 1), is_for_one=False)
    assert facts_of(session).takes_any_number
    generator = np.random.default_rng(0)
    free = {"2*rows": 64, "2*columns": 96}
    each = [
        {
            one.name: generator.normal(
                0.0, 1.0, [6 if "*" in str(one.shape[0]) else 1, *(free.get(d, d) for d in one.shape[1:])]
            ).astype(np.float32)
            for one in session.get_inputs()
        }
        for _ in range(3)
    ]
    together = session.run(None, {name: np.concatenate([one[name] for one in each]) for name in each[0]})
    alone = open_graph(path, Accelerator.CPU, (1, 1))
    for number, one in enumerate(each):
        for shared, own in zip(together, alone.run(None, one), strict=True):
            assert np.abs(shared[number : number + 1] - own).max() <= ROUNDING * max(1.0, np.abs(own).max())
