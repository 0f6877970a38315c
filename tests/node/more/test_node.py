# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
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
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.role import NodeRole
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
from tests.node.test_node import Pacs, _digests, _states, get, pacs, settings_in, store
from tests.waiting import wait_until

QUALITY = Path(__file__).resolve().parents[3] / "models" / "quality-0.9.3"


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


def test_a_node_stopped_with_work_to_do_does_it_after_the_next_start(tmp_path: Path, samples: Path, pacs: Pacs) -> None:
    with Node(settings_in(tmp_path), role=NodeRole.RECEIVE) as node:  # takes the image, and does nothing with it
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0x0000]
        [digest] = _digests(node)
    with Node(settings_in(tmp_path), [parse_flag(f"PACS=PACS@127.0.0.1:{pacs.port}")], role=NodeRole.WORK) as node:
        assert node.dicom_port == 0
        wait_until(lambda: bool(pacs.objects))
        wait_until(lambda: bool(_states(node, digest)))


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


def test_a_node_without_a_disk_is_not_ready_and_takes_nothing(tmp_path: Path, samples: Path) -> None:
    with Node(settings_in(tmp_path, store={"min_free_bytes": 2**62})) as node:
        wait_until(lambda: "min_free_bytes" in str(get(node.web_port, "/readyz")))
        assert get(node.web_port, "/readyz")[0] == 503
        assert get(node.web_port, "/healthz")[0] == 200
        assert store(node.dicom_port, samples / "RG3_UNCR.dcm") == [0xA700]


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


def test_a_taken_port_is_said_and_leaves_nothing_running(tmp_path: Path, samples: Path) -> None:
    with Node(settings_in(tmp_path / "a")) as node:
        port = node.dicom_port
        with pytest.raises((SettingsError, OSError)):
            Node(settings_in(tmp_path / "b", dicom={"port": port, "host": "127.0.0.1"}), role=NodeRole.RECEIVE).start()
        assert store(port, samples / "RG3_UNCR.dcm") == [0x0000]
    with Node(settings_in(tmp_path / "b", dicom={"port": free_port(), "host": "127.0.0.1"}), role=NodeRole.RECEIVE):
        pass
