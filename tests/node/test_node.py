"""A whole node in this process: images in through the real port, results out through the real lane, and the roles."""

from __future__ import annotations

import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pydicom
import pytest
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.role import NodeRole
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.keys.secret_files import identity_of
from miqa_node.core.settings import Settings, load_settings
from miqa_node.errors import SettingsError
from miqa_node.interfaces.web.set_up import set_up_link
from miqa_node.node import Node
from miqa_node.runtime.work.parts import RunningParts
from miqa_node.runtime.workers import faults
from miqa_node.stages.deliver.destinations import parse_flag
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances
from tests.conftest import free_port
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


QUALITY = Path(__file__).resolve().parents[2] / "models" / "quality-0.9.3"


def test_an_image_comes_in_and_its_report_goes_out(
    tmp_path: Path, samples: Path, pacs: Pacs, stores: dict[str, str]
) -> None:
    destination = parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")
    with Node(settings_in(tmp_path, store=stores), [destination]) as node:
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        ready = {"status": "ready", "reasons": [], "node": identity_of(node.settings.node.data_dir)}
        wait_until(lambda: get(node.web_port, "/readyz") == (200, ready))
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


@pytest.mark.more
def test_a_node_whose_idle_decoding_processes_are_killed_judges_the_next_image(tmp_path: Path, samples: Path) -> None:
    others = set(psutil.Process().children(recursive=True))
    with Node(settings_in(tmp_path)) as node:
        wait_until(lambda: get(node.web_port, "/readyz")[0] == 200)  # an image was decoded for this answer
        children = [one for one in set(psutil.Process().children(recursive=True)) - others if one.ppid() != os.getpid()]
        assert children
        for child in children:
            child.kill()
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        [digest] = _digests(node)
        wait_until(lambda: _verdict(node, digest) is not None)
        with node.database.begin() as transaction:
            assessment = instances.load_assessment(transaction, digest)
        assert assessment is not None
        assert (assessment.decoder != "", assessment.quarantined) == (True, False)
        wait_until(lambda: get(node.web_port, "/readyz")[0] == 200)


@pytest.mark.more
def test_a_node_stopped_with_work_to_do_does_it_after_the_next_start(tmp_path: Path, samples: Path, pacs: Pacs) -> None:
    with Node(settings_in(tmp_path), role=NodeRole.RECEIVE) as node:  # takes the image, and does nothing with it
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        [digest] = _digests(node)
    with Node(settings_in(tmp_path), [parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")], role=NodeRole.WORK) as node:
        assert node.dicom_port == 0
        wait_until(lambda: bool(pacs.objects))
        wait_until(lambda: bool(_states(node, digest)))


@pytest.mark.more
def test_the_roles_of_one_node_share_its_state(tmp_path: Path, samples: Path, pacs: Pacs) -> None:
    destination = parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")
    with (
        Node(settings_in(tmp_path, "worker"), [destination], role=NodeRole.WORK) as worker,
        Node(settings_in(tmp_path, "receiver"), [destination], role=NodeRole.RECEIVE) as receiver,
        Node(settings_in(tmp_path, "pages"), role=NodeRole.WEB) as pages,
    ):
        assert store(receiver.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        wait_until(lambda: bool(pacs.objects))
        [digest] = _digests(worker)
        assert get(pages.web_port, f"/api/v1/instances/{digest}")[0] == 200
        wait_until(lambda: get(receiver.web_port, "/readyz")[0] == 200)
        assert get(receiver.web_port, "/api/v1/worklist")[0] == 404


@pytest.mark.more
def test_a_node_without_a_disk_is_not_ready_and_takes_nothing(tmp_path: Path, samples: Path) -> None:
    with Node(settings_in(tmp_path, store={"min_free_bytes": 2**62})) as node:
        wait_until(lambda: "min_free_bytes" in str(get(node.web_port, "/readyz")))
        assert get(node.web_port, "/readyz")[0] == 503
        assert get(node.web_port, "/healthz")[0] == 200
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0xA700]


@pytest.mark.more
def test_a_node_that_cannot_store_originals_is_not_ready_and_takes_nothing(tmp_path: Path, samples: Path) -> None:
    with Node(settings_in(tmp_path), role=NodeRole.RECEIVE) as node:
        assert store(node.dicom_port, samples / "RG1_UNCR.dcm") == [0x0000]
        assert get(node.health_port, "/readyz")[0] == 200
        (tmp_path / "objects" / "instances").rename(tmp_path / "away")
        (tmp_path / "objects" / "instances").write_bytes(b"")  # a mount that is gone, as root sees it
        wait_until(lambda: "folder instances cannot be read" in str(get(node.health_port, "/readyz")))
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0xA700]
        (tmp_path / "objects" / "instances").unlink()
        (tmp_path / "away").rename(tmp_path / "objects" / "instances")
        wait_until(lambda: store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000])
        wait_until(lambda: get(node.health_port, "/readyz")[0] == 200)


@pytest.mark.more
def test_without_a_required_gpu_images_are_kept_but_the_node_is_not_ready(tmp_path: Path, samples: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has a GPU provider")
    settings = settings_in(tmp_path, node={"accelerator": "gpu"})
    with Node(settings, role=NodeRole.WEB) as node:
        wait_until(lambda: node.readiness() == [])  # pages need no GPU
    with Node(settings) as node:
        wait_until(lambda: "node.accelerator" in str(get(node.web_port, "/readyz")))
        assert get(node.web_port, "/readyz")[0] == 503
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        [digest] = _digests(node)
    with Node(settings_in(tmp_path)) as node:  # mended: what waited is assessed now
        wait_until(lambda: _verdict(node, digest) is not None)


@pytest.mark.more
def test_a_node_that_began_without_its_models_judges_when_they_come_without_a_restart(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "RETRY_S", 0.5)
    package = shutil.copytree(QUALITY, tmp_path / "models" / QUALITY.name)
    graph, whole = package / "model.onnx", (QUALITY / "model.onnx").read_bytes()
    graph.write_bytes(whole[:1000])
    settings = settings_in(
        tmp_path, assess={"shipped_packages": False, "models_dir": str(package.parent), "landmarks_package": "off"}
    )
    with Node(settings) as node:
        wait_until(lambda: get(node.web_port, "/readyz")[0] == 503)
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        [digest] = _digests(node)
        assert _verdict(node, digest) is None
        graph.write_bytes(whole)
        wait_until(lambda: _verdict(node, digest) is not None)
        wait_until(lambda: get(node.web_port, "/readyz")[0] == 200)


@pytest.mark.more
def test_the_set_up_link_of_a_node_with_an_address_of_its_own_can_be_opened(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, web={"host": "127.0.0.2"})
    with Node(settings, [], NodeRole.WEB) as node:
        link = set_up_link(node.database, node.settings, node.role, node.web_port)
        assert link.startswith(f"http://127.0.0.2:{node.web_port}/welcome/")
        with urllib.request.urlopen(link) as answer:
            assert "Set up this node" in answer.read().decode()


def _verdict(node: Node, digest: Any) -> Verdict | None:
    with node.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest)
    return disposition.verdict if disposition else None


@pytest.mark.more
def test_a_taken_port_is_said_and_leaves_nothing_running(tmp_path: Path, samples: Path) -> None:
    with Node(settings_in(tmp_path / "a")) as node:
        port = node.dicom_port
        with pytest.raises((SettingsError, OSError)):
            Node(settings_in(tmp_path / "b", dicom={"port": port, "host": "127.0.0.1"}), role=NodeRole.RECEIVE).start()
        assert store(port, samples / "RG3_UNCR.dcm") == [0x0000]
    with Node(settings_in(tmp_path / "b", dicom={"port": free_port(), "host": "127.0.0.1"}), role=NodeRole.RECEIVE):
        pass
