"""A whole node in this process: images in through the real port, results out through the real lane, and the roles."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import SettingsError
from miqa_node.node import Node
from miqa_node.runtime.work.parts import RunningParts
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances
from tests.waiting import wait_until


class Pacs:
    """A storage SCP that keeps what it gets."""

    def __init__(self, port: int = 0) -> None:
        self.objects: list[pydicom.Dataset] = []
        ae = AE("PACS")
        ae.supported_contexts = AllStoragePresentationContexts
        server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        assert server is not None
        self.server = server
        self.port: int = self.server.server_address[1]

    def _store(self, event: Any) -> int:
        self.objects.append(event.dataset)
        return 0x0000


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.server.shutdown()


def settings_in(folder: Path, name: str = "t", **tables: dict[str, Any]) -> Settings:
    settings_tables: dict[str, dict[str, Any]] = {
        "node": {"data_dir": folder, "name": name},
        "dicom": {"port": 0, "host": "127.0.0.1"},
        "web": {"port": 0},
        "work": {"processes": 1},
        "deliver": {"poll_interval_s": 0.05},
    }
    merged: dict[str, Any] = {
        table: settings_tables.get(table, {}) | tables.get(table, {}) for table in settings_tables | tables
    }
    return load_settings(**merged)


def store(port: int, *files: Path) -> list[int]:
    ae = AE("SCANNER")
    data = [pydicom.dcmread(file) for file in files]
    ae.requested_contexts = [build_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in data]
    association = ae.associate("127.0.0.1", port, ae_title="MIQA")
    assert association.is_established
    statuses = [association.send_c_store(ds).Status for ds in data]
    association.release()
    return statuses


def get(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture(params=["embedded", pytest.param("PostgreSQL and S3", marks=pytest.mark.peers)])
def stores(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a node on its embedded defaults, and of one on services that many nodes share."""
    if request.param == "embedded":
        return {}
    names = {"database_url": "postgres_url", "objects_url": "bucket_url"}
    return {key: request.getfixturevalue(fixture) for key, fixture in names.items()}


def test_an_image_comes_in_and_its_report_goes_out(
    tmp_path: Path, samples: Path, pacs: Pacs, stores: dict[str, str]
) -> None:
    destination = parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")
    with Node(settings_in(tmp_path, store=stores), [destination]) as node:
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        wait_until(lambda: get(node.web_port, "/readyz") == (200, {"status": "ready", "reasons": []}))
        wait_until(lambda: any(ds.Modality == "SR" for ds in pacs.objects))
        [digest] = _digests(node)
        wait_until(lambda: all(s is DeliveryState.SENT for s in _states(node, digest)))
    source = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    assert {ds.StudyInstanceUID for ds in pacs.objects} == {source.StudyInstanceUID}
    assert {ds.PatientID for ds in pacs.objects} == {source.PatientID}


def test_a_part_that_does_not_stop_in_order_keeps_no_other_from_it() -> None:
    parts = RunningParts()
    stopped: list[str] = []

    def broken() -> None:
        raise OSError("no")

    parts.begin(lambda: None, lambda: stopped.append("first"))
    parts.begin(lambda: None, broken)
    parts.stop_all()
    assert stopped == ["first"]


def _digests(node: Node) -> list[Any]:
    with node.database.begin() as transaction:
        return list(instances.find(transaction, _study(node)))


def _study(node: Node) -> str:
    import sqlalchemy as sa

    with node.database.begin() as transaction:
        uid: str = transaction.execute(sa.text("SELECT study_instance_uid FROM studies")).scalar_one()
    return uid


def _states(node: Node, digest: Any) -> list[DeliveryState]:
    with node.database.begin() as transaction:
        return [d.state for d in deliveries.of_instance(transaction, digest)]


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        node = Node(settings_in(tmp_path, dicom={"port": port}), role=NodeRole.RECEIVE)
        with pytest.raises(SettingsError, match=f"port {port} .*choose another dicom.port"):
            node.start()
