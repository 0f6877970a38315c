"""A whole node with a certificate: it automates what that covers and nothing else, and every way out says the same."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pydicom
import pytest

from miqa_node.core.settings import load_settings
from miqa_node.features.backup.work import back_up
from miqa_node.interfaces.cli.app import run
from miqa_node.node import Node
from miqa_node.stages.assess.prediction_certificate import (
    EarlyEnd,
    EndCause,
    certificate_path,
    read_certificate,
    write_certificate,
)
from tests.features.labels.command.test_calibrate import texts
from tests.interfaces.web.test_predict import POLICY, post, quiet
from tests.stages.assess.certifying import certificate_for
from tests.stages.assess.classify.making import write_classifier
from tests.stages.assess.making import chest_dataset, write_package
from tests.stages.deliver.receiver import Receiver, receiver, secret_file
from tests.waiting import wait_until

pytestmark = pytest.mark.more

BY = "Automated by the site's certificate of "


def open_node(folder: Path, peer: Receiver, site: str = "General") -> Node:
    (folder / "policy.toml").write_text(POLICY)
    (folder / "destinations.toml").write_text(
        f'[[destination]]\nname = "share"\nkind = "folder"\nfolder = "{folder / "out"}"\nobjects = ["SR", "KOS"]\n'
        f'[[destination]]\nname = "ris"\nkind = "webhook"\nurl = "{peer.url}"\n'
        f'secret_file = "{secret_file(folder)}"\nevents = ["image.assessed"]\n'
    )
    (folder / "out").mkdir(exist_ok=True)
    return Node(load_settings(
        node={"data_dir": folder / "node", "name": "t", "accelerator": "cpu", "site": site},
        dicom={"port": 0, "host": "127.0.0.1"}, web={"port": 0, "predict_timeout_s": 150}, work={"processes": 1},
        assess={"shipped_packages": False, "models_dir": str(folder / "models")},
        policy={"file": str(folder / "policy.toml")},
        deliver={"destinations_file": str(folder / "destinations.toml"), "poll_interval_s": 0.05},
    ))  # fmt: skip


@pytest.fixture
def models(tmp_path: Path) -> Path:
    applies = {"modality": ["CR", "DX"], "body_part": ["CHEST"], "view": ["PA"]}
    write_package(tmp_path / "models/quality-1.0.0", "1.0.0", "quality", applicability=applies, **quiet())
    write_classifier(tmp_path / "models/lungs-1.0.0", automation=[])
    (tmp_path / "node").mkdir()
    return tmp_path / "models/lungs-1.0.0"


@pytest.fixture
def peer() -> Iterator[Receiver]:
    with receiver() as peer:
        yield peer


class Ways:
    """What a running node says of the images that it is sent."""

    def __init__(self, node: Node, peer: Receiver, folder: Path) -> None:
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{node.web_port}", timeout=120)
        self.peer, self.folder = peer, folder

    def send(self, number: int, brightness: float = 0.75, **header: str) -> dict[str, Any]:
        ds, buffer = chest_dataset(number, brightness), io.BytesIO()
        for keyword, value in ({"StationName": "ROOM1", "PatientAge": "045Y"} | header).items():
            setattr(ds, keyword, value)
        ds.save_as(buffer)
        answer = post(self.client, buffer.getvalue(), "image.dcm").json()
        return {**answer, "uid": f"1.2.826.0.1.1.{number}", "study": f"1.2.826.0.1.2.{number}"}

    def of_rest(self, answer: dict[str, Any]) -> dict[str, Any]:
        [one] = self.client.get(f"/api/v1/instances/{answer['id']}").json()["instances"]
        [prediction] = one["assessment"]["predictions"]
        return dict(prediction)

    def of_report(self, answer: dict[str, Any]) -> list[str]:
        def found() -> list[Path]:
            return [path for path in self.folder.glob("out/**/*.dcm") if self._is_report_of(path, answer["study"])]

        wait_until(lambda: bool(found()))
        return [text for path in found() for text in texts(pydicom.dcmread(path))]

    def of_qido(self, answer: dict[str, Any]) -> list[str]:
        """Modalities of the study's objects: a Key Object Selection (KO) is of quality alone."""
        instances = self.client.get(f"/api/dicom-web/studies/{answer['study']}/instances").json()
        return sorted(one["00080060"]["Value"][0] for one in instances)

    @staticmethod
    def _is_report_of(path: Path, study: str) -> bool:
        ds = pydicom.dcmread(path)
        return bool(ds.Modality == "SR" and ds.StudyInstanceUID == study)

    def of_webhook(self, answer: dict[str, Any]) -> dict[str, Any]:
        def images() -> list[dict[str, Any]]:
            return [one["data"]["image"] for one in self.peer.events if one["type"] == "image.assessed"]

        wait_until(lambda: any(one["sop_instance_uid"] == answer["uid"] for one in images()))
        return next(one for one in images() if one["sop_instance_uid"] == answer["uid"])


@pytest.mark.timeout(600)
def test_every_way_out_says_the_same(tmp_path: Path, models: Path, peer: Receiver) -> None:
    with open_node(tmp_path, peer) as node:
        ways = Ways(node, peer, tmp_path)
        before = ways.send(1)
        assert (before["status"], "names no evidence" in before["message"]) == ("pending_review", True)
        assert "predictions" not in ways.of_webhook(before)

        path = certificate_path(node.settings.node.data_dir, "lungs")
        write_certificate(path, certificate_for(models))
        sure = ways.send(2)
        assert (sure["status"], sure["prediction"]) == ("automated", "Pneumonia"), sure
        why = sure["message"]
        assert why.startswith(BY)
        assert "119 of 120 answers by Dr. Bell" in why
        prediction = ways.of_rest(sure)
        assert (prediction["automated_by"], prediction["certificate"]) == (why, read_certificate(path).sha256)
        assert why in ways.of_report(sure)
        assert ways.of_qido(sure) == ["CR", "SEG", "SR"]
        [event_part] = ways.of_webhook(sure)["predictions"]
        assert (event_part["status"], event_part["automated_by"]) == ("automated", why)
        page = ways.client.get(f"/studies/{sure['study']}").text
        assert BY in page.replace("&#39;", "'")

        for other in (ways.send(3, StationName="ROOM9"), ways.send(4, PatientAge="012Y"), ways.send(5, 0.2)):
            assert other["status"] == "pending_review"
            assert "prediction" not in other
            assert "certificate of" in other["message"]
            assert ways.of_rest(other)["pending"][0]["text"] == other["message"]
            assert other["message"] in ways.of_report(other)
            assert {"CR", "SR"} <= {*ways.of_qido(other)} <= {"CR", "SEG", "SR"}
            event = ways.of_webhook(other)
            assert "predictions" not in event
            assert any(reason["name"] == "not_proven" for reason in event["reasons"])

        # It ends in the night: what was automated stays so, with its reason, and what comes then waits.
        write_certificate(path, certificate_for(models), EarlyEnd(cause=EndCause.REVOKED, at=datetime.now(UTC), by="m"))
        late = ways.send(6)
        assert "m revoked it on" in late["message"]
        assert ways.of_rest(sure) == prediction
        again = {"uids": [sure["id"]], "dry_run": False, "actor": "mara"}
        assert ways.client.post("/api/v1/reassessments", json=again).json()["queued"] == 1
        wait_until(lambda: ways.of_rest(sure)["automated_by"] == "")
        assert "m revoked it on" in ways.of_rest(sure)["pending"][0]["text"]
    assert json.dumps(prediction)


@pytest.mark.timeout(600)
def test_another_site_is_not_covered(tmp_path: Path, models: Path, peer: Receiver) -> None:
    write_certificate(certificate_path(tmp_path / "node", "lungs"), certificate_for(models))
    with open_node(tmp_path, peer, site="Elsewhere") as node:
        answer = Ways(node, peer, tmp_path).send(1)
    assert answer["status"] == "pending_review"
    assert "it was made at another site" in answer["message"]


@pytest.mark.timeout(600)
def test_a_restored_node_automates_by_the_certificate_of_the_backup(
    tmp_path: Path, models: Path, peer: Receiver
) -> None:
    write_certificate(certificate_path(tmp_path / "node", "lungs"), certificate_for(models))
    with open_node(tmp_path, peer) as node:
        before = Ways(node, peer, tmp_path).send(1)
        back_up(node.database, node.objects, tmp_path / "node", tmp_path / "backup")
    (tmp_path / "node").rename(tmp_path / "lost")
    assert run(["restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "node")]) == 0
    with open_node(tmp_path, peer) as node:
        ways = Ways(node, peer, tmp_path)
        after = ways.send(2)
        assert ways.of_rest(before)["automated_by"] == before["message"]
    assert (before["status"], after["status"]) == ("automated", "automated")
    assert before["message"] == after["message"]
