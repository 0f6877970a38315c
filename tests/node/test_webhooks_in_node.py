"""A whole node and a program that it tells: signed events outlive a receiver that is down, and are jobs like others."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import generate_uid

from miqa_node.core.domain.delivery import DeliveryState
from miqa_node.core.domain.event import EventType
from miqa_node.node import Node
from miqa_node.stages.deliver.rows import delivery_jobs
from tests.conftest import free_port
from tests.node.test_node import Pacs, get, pacs, settings_in, store
from tests.stages.deliver.receiver import receiver, secret_file
from tests.waiting import wait_until

pytestmark = pytest.mark.more

__all__ = ["pacs"]

POLICY = """
version = "w1"
[evidence."two scanners"]
tried_on = ["one", "two"]
[[rule]]
modality = ["CR"]
measurement = "entropy"
above = 0.0
then = "REJECT"
reason = "unsharp"
evidence = "site"
[[rule]]
measurement = ["entropy"]
then = "ACCEPT"
evidence = "two scanners"
"""


def exposure(samples: Path, folder: Path, modality: str) -> Path:
    ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    ds.Modality = modality
    ds.PatientName, ds.PatientID, ds.AccessionNumber = "Secret^Name", "SECRETID", "SECRETACC"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = (generate_uid() for _ in range(3))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    path = folder / f"{modality}.dcm"
    ds.save_as(path)
    return path


def jobs(node: Node, *kinds: str) -> list[delivery_jobs.DeliveryJob]:
    with node.database.begin() as transaction:
        return delivery_jobs.select(transaction, delivery_jobs.DeliveryFilter(kind=kinds), limit=99)


def post(port: int, path: str, **more: str) -> Any:
    body = json.dumps({"actor": "mara", **more}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_a_receiver_that_was_down_is_told_everything_and_nobody_waited_for_it(
    tmp_path: Path, samples: Path, pacs: Pacs
) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    port = free_port()
    (tmp_path / "destinations.toml").write_text(
        f'[[destination]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = {pacs.port}\nobjects = ["SR"]\n'
        f'[[destination]]\nname = "ris"\nkind = "webhook"\nurl = "http://127.0.0.1:{port}/in"\n'
        f'secret_file = "{secret_file(tmp_path)}"\nevents = ["study.flagged", "study.passed", "study.resolved"]\n'
    )
    quick = {"poll_interval_s": 0.05, "backoff_initial_s": 0.05, "backoff_max_s": 0.1, "breaker_pause_s": 0.2}
    settings = settings_in(
        tmp_path, policy={"file": str(tmp_path / "policy.toml")}, deliver=quick, work={"study_quiet_s": 0.3},
        assess={"shipped_packages": False, "models_dir": str(tmp_path)},
    )  # fmt: skip
    bad, good = (exposure(samples, tmp_path, modality) for modality in ("CR", "DX"))
    flagged, passed = (str(pydicom.dcmread(path).StudyInstanceUID) for path in (bad, good))
    events = EventType.STUDY_FLAGGED, EventType.STUDY_PASSED
    with Node(settings) as node:
        assert store(node.dicom_port, bad, good) == [0x0000, 0x0000]
        wait_until(lambda: len(pacs.objects) == 2)
        wait_until(lambda: len(jobs(node, *events)) == 2 and any(job.attempts for job in jobs(node, *events)))
        assert {job.state for job in jobs(node, *events)} == {DeliveryState.QUEUED}
    with receiver(port) as ris, Node(settings) as node:  # it comes back after a restart of the node
        early_events: list[str] = []
        ris.answer = lambda event: 204 if event["id"] in early_events else early_events.append(event["id"]) or 500
        wait_until(lambda: len(ris.taken) == 2)
        wait_until(lambda: {job.state for job in jobs(node, *events)} == {DeliveryState.SENT})
        event_by_type = {event["type"]: event["data"]["study"] for event in ris.events}
        assert event_by_type["study.flagged"]["study_instance_uid"] == flagged
        assert event_by_type["study.flagged"]["verdict"] == "REJECT"
        assert event_by_type["study.passed"]["study_instance_uid"] == passed
        assert event_by_type["study.passed"]["images"]["ACCEPT"] == 1
        assert b"SECRET" not in b"".join(body for _id, body in ris.taken).upper()

        # An administrator sends it again: the same event, under a new signature.
        _code, listed = get(node.web_port, "/api/v1/deliveries?kind=STUDY_FLAGGED")
        [job] = listed["items"]
        assert post(node.web_port, f"/api/v1/deliveries/{job['delivery_id']}/resend")["state"] == "QUEUED"
        wait_until(lambda: len(ris.taken) == 3)
        assert ris.taken[2] in ris.taken[:2]

        # People decide about the flagged study, and that is told as well.
        post(node.web_port, f"/api/v1/worklist/{flagged}/resolve", resolution="dismissed")
        wait_until(lambda: ris.events[-1]["type"] == "study.resolved")
        assert ris.events[-1]["data"]["resolution"] == "dismissed"
        assert ris.events[-1]["data"]["sequence"] == 2

        # Where a link leads, there is the study; and events are no results of DICOM.
        path = event_by_type["study.flagged"]["links"]["instances"].split("/api/", 1)[1]
        _code, answer = get(node.web_port, f"/api/{path}")
        assert {result["kind"] for item in answer["instances"] for result in item["results"]} >= {"SR", "study.flagged"}
        _code, instances = get(node.web_port, "/api/dicom-web/instances")
        assert "evt_" not in json.dumps(instances)
