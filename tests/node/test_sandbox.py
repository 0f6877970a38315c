"""A worker process has given up what judging does not need, and judges as before."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from miqa_node.core.settings import Settings, load_settings
from miqa_node.isolation import sandbox
from miqa_node.isolation.workers import ImageWorkers
from miqa_node.libraries import onnx_vjp
from tests.node.test_isolation import settings, workers_of

pytestmark = pytest.mark.skipif(
    not (sys.platform == "linux" and sandbox.landlock_version() >= 4), reason="needs Linux with Landlock 4 or newer"
)


@pytest.fixture(scope="module")
def node_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = settings(tmp_path_factory.mktemp("node"))
    made.objects_dir.mkdir()
    (made.node.data_dir / "miqa.sqlite").write_bytes(b"the database")
    return made


@pytest.fixture(scope="module")
def workers(node_settings: Settings) -> Iterator[ImageWorkers]:
    made = workers_of(node_settings)
    yield made
    made.pool.close()


def test_it_can_be_switched_off_and_says_why_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    off = settings(tmp_path, sandbox=False)
    assert sandbox.described(off) == "none: work.sandbox is off; worker processes have the rights of the node"
    sandbox.confine(off)
    socket.socket().close()
    monkeypatch.setattr(sandbox, "landlock_version", lambda: 0)
    monkeypatch.setattr(sandbox, "_processor", lambda: None)
    assert "neither Landlock nor seccomp" in sandbox.described(load_settings())


def test_the_folder_of_the_data_is_not_opened_by_the_path_of_the_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    inside = load_settings(node={"data_dir": tmp_path / "node/data"})
    paths = sandbox.readable(inside)
    assert tmp_path.resolve() not in paths
    assert not any(inside.node.data_dir.resolve() == path for path in paths)
    assert Path(sandbox.__file__).parents[1] in paths


def test_the_libraries_of_the_node_are_software_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ``make run``: the data lie in the checkout, so the path of the software does not open it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    paths = sandbox.readable(load_settings(node={"data_dir": tmp_path / "node"}))
    library = Path(onnx_vjp.__file__).resolve()
    assert any(library.is_relative_to(path) for path in paths)


def test_captions_over_the_network_keep_the_network() -> None:
    online = load_settings(caption={"backend": "http", "url": "http://127.0.0.1:9/v1", "token": "x"})
    assert sandbox.described(online).endswith("captions may use the network")
