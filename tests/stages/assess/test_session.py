"""A session that fails again and again is loaded again, and only as it was checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.errors import ModelPackageError, SettingsError
from miqa_node.stages.assess import session
from miqa_node.stages.assess.card import GRAPH_NAME
from miqa_node.stages.assess.graph import RunnableGraph
from miqa_node.stages.assess.packages import Package, open_package
from miqa_node.stages.assess.session import (
    CPU_PROVIDER,
    FAILURES_IN_A_ROW,
    GPU_PROVIDER,
    LocalGraph,
    ModelSessions,
    open_graph,
)
from tests.stages.assess.making import write_package


@pytest.fixture
def package(tmp_path: Path) -> Package:
    write_package(tmp_path / "tiny-1.0.0")
    return open_package(tmp_path / "tiny-1.0.0", Accelerator.CPU, load_settings().assess)


class BrokenGraph(LocalGraph):
    """As one in a session of ONNX Runtime whose device is gone."""

    def __init__(self, whole: RunnableGraph) -> None:
        self.facts = whole.facts

    def run(self, *_: object, **__: object) -> Sequence[NDArray[np.float32]]:
        raise RuntimeError("the device is gone")


def break_graph(package: Package) -> None:
    package.session._graph = BrokenGraph(package.session._graph)


def fail(package: Package, times: int) -> None:
    for _ in range(times):
        with pytest.raises(RuntimeError):
            package.session.run(package.session.outputs, {})


def works(package: Package) -> bool:
    grey = np.full((80, 70), 30_000, np.uint16)
    return bool(package.run(package.prepare(grey).arrays))


def test_a_broken_session_is_named_and_loaded_again(package: Package) -> None:
    sessions = ModelSessions()
    break_graph(package)
    fail(package, FAILURES_IN_A_ROW - 1)
    assert package.session.trouble() == ""
    fail(package, 1)
    assert "tiny-1.0.0" in sessions.trouble()
    assert "3 times in a row (RuntimeError)" in sessions.trouble()
    sessions.heal()
    assert package.session.trouble() == ""
    assert works(package)


def test_single_failures_are_not_the_session_s(package: Package) -> None:
    graph = package.session._graph
    for _ in range(FAILURES_IN_A_ROW):
        break_graph(package)
        fail(package, FAILURES_IN_A_ROW - 1)
        package.session._graph = graph
        assert works(package)
    assert package.session.trouble() == ""


def test_a_graph_that_was_changed_meanwhile_is_not_loaded(package: Package) -> None:
    break_graph(package)
    fail(package, FAILURES_IN_A_ROW)
    graph = package.folder / GRAPH_NAME
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(ModelPackageError, match="changed while it was in use"):
        package.session.reload()
    assert package.session.trouble()


def test_the_memory_of_the_goldens_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[bool] = []
    plain = session._giving_back
    monkeypatch.setattr(session, "_giving_back", lambda: (given_back.append(True), plain())[1])
    write_package(tmp_path / "tiny-1.0.0")
    package = open_package(tmp_path / "tiny-1.0.0", Accelerator.CPU, load_settings().assess)
    assert len(given_back) == len(package.golden_differences) > 0
    assert works(package)
    assert len(given_back) == len(package.golden_differences), "images keep it, for the next one"


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_cuda_of_python_packages_is_loaded_before_the_first_session(
    package: Package, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loads = []

    def load() -> None:
        loads.append(1)
        print("Failed to load libcublas")

    monkeypatch.setattr(session, "_is_built_for_gpu", lambda: True)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [GPU_PROVIDER, CPU_PROVIDER])
    monkeypatch.setattr("onnxruntime.preload_dlls", load, raising=False)
    session._load_cuda.cache_clear()
    graph = package.folder / GRAPH_NAME
    for _ in range(2):
        with pytest.raises(SettingsError):  # without a GPU the runtime falls back to the CPU
            open_graph(graph, Accelerator.GPU, (1, 1))
    streams = capsys.readouterr()
    assert loads == [1]
    assert "libcublas" not in streams.out, "standard output may be JSON for a program"
    assert "libcublas" in streams.err
    open_graph(graph, Accelerator.CPU, (1, 1))
    assert loads == [1]
