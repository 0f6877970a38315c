from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from miqa_node.core.domain.instance import ReceivedObject
from miqa_node.core.settings import DicomSettings, load_settings
from miqa_node.stages.receive.intake import Intake
from miqa_node.stages.receive.scp import StorageScp
from tests.stages.receive.wire import Node


@pytest.fixture
def dicom_settings() -> Callable[..., DicomSettings]:
    def make(**changes: object) -> DicomSettings:
        return load_settings(dicom={"host": "127.0.0.1", "port": 0, **changes}).dicom

    return make


@pytest.fixture(params=[True, False], ids=["fast", "stock"])
def start_node(
    request: pytest.FixtureRequest, tmp_path: Path, dicom_settings: Callable[..., DicomSettings]
) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def start(
        receive: Callable[[ReceivedObject], None] | None = None,
        check: Callable[[], None] = lambda: None,
        **changes: object,
    ) -> Node:
        def keep(received: ReceivedObject) -> None:
            if receive is not None:
                receive(received)
            node.files.append(Path(received.path).read_bytes())
            node.received.append(received)

        folder = tmp_path / f"incoming{len(nodes)}"
        settings = dicom_settings(**changes)
        node = Node(StorageScp(settings, Intake.of(settings, folder, keep, check), fast=request.param), folder)
        node.scp.start()
        nodes.append(node)
        return node

    yield start
    for node in nodes:
        node.scp.stop(1.0)
