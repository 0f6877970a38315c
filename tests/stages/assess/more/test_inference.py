"""The inference process: what it answers, which images share a run, and what happens when it ends."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import numpy as np
import psutil
import pytest

from miqa_node.core.settings import Accelerator, Settings, load_settings
from miqa_node.errors import ModelPackageError
from miqa_node.isolation.inference import InferenceProcess
from miqa_node.stages.assess.graph import GraphFacts
from miqa_node.stages.assess.inference.client import InferenceClient
from miqa_node.stages.assess.session import GraphSession, facts_of, open_graph
from tests.stages.assess.test_inference import LIMIT_S, ROUNDING, SHIPPED, doubling, image
from tests.waiting import wait_until


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


def test_it_is_started_again_when_it_was_killed(process: InferenceProcess) -> None:
    first = pid_of(process)
    InferenceClient(process.address).open(doubling())
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pid_of(process) != first, LIMIT_S)
    graph = InferenceClient(process.address).open(doubling())
    assert graph.run(["twice"], image(3.0), None, gives_back=False)[0].tolist() == [[6.0, 6.0]]


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


def test_a_late_answer_is_not_taken_for_that_to_a_later_question(process: InferenceProcess) -> None:
    client = InferenceClient(process.address)
    graph = client.open(doubling())
    with pytest.raises(TimeoutError):
        graph.run(["twice"], image(1.0), 0.0, gives_back=False)
    assert graph.run(["twice"], image(5.0), None, gives_back=False)[0].tolist() == [[10.0, 10.0]]


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
