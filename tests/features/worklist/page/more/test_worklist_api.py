"""The worklist and the images over REST."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pydicom
from fastapi.testclient import TestClient

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.identity import with_surrogates
from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.domain.policy import Disposition, Verdict
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.units.rows import instances
from tests.web.staging import Stage


def test_the_document_of_the_interface_lists_the_reasons(client: TestClient) -> None:
    schema = client.get("/api/v1/openapi.json").json()["components"]["schemas"]["Resolve"]["properties"]
    assert "111210" in schema["reason"]["enum"]
    assert schema["regions"]["maxItems"] == 50


def test_openapi_describes_every_operation_and_its_errors(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()

    operations = {
        (method, path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert ("post", "/api/v1/worklist/{study_uid}/resolve") in operations
    for (_, path), operation in operations.items():
        assert operation["summary"]
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and path.startswith("/api/"):
                assert list(response["content"]) == ["application/problem+json"], (path, status)
        for response in (response for status, response in operation["responses"].items() if status.startswith("2")):
            assert response.get("content") != {"application/json": {"schema": {}}}, f"{path} is of another media type"
        if "requestBody" in operation:
            assert {"415", "422"} <= operation["responses"].keys(), path


def test_an_object_without_study_uid_has_a_page_and_can_be_given_its_uids(
    stage: Stage, client: TestClient, samples: Path, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    del ds["StudyInstanceUID"]
    ds.save_as(path := tmp_path / "lost.dcm")
    digest, now = InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()), datetime.now(UTC)
    header, study = with_surrogates(*read_header(path), digest)
    surrogate = header.study_instance_uid
    Artifacts(stage.services.objects).keep_original(digest, path)
    with stage.services.database.begin() as transaction:
        received = ReceivedObject("", digest, 1, "A", "MIQA", "10.0.0.7", now)
        instances.record(transaction, header, study, received, original_key(digest))
        instances.save_assessment(
            transaction, Assessment(digest, header, now, not_assessed="No UID.", quarantined=True)
        )
        disposition = Disposition(Verdict.NOT_ASSESSED, (), "2026-01", "")
        instances.save_disposition(transaction, digest, surrogate, disposition, now)
        worklist.flag(transaction, surrogate, Verdict.NOT_ASSESSED, now)
    url, page = f"/api/v1/instances/{digest}/uids", f"/studies/{surrogate}"

    assert client.get(page).status_code == 200
    assert client.post(url, json={"actor": "mara"}).status_code == 409
    assert client.post(url, json={"study_instance_uid": "x"}).status_code == 422
    unknown = client.post(url.replace(digest, "0" * 64), json={"study_instance_uid": "1.2", "actor": "mara"})
    assert unknown.status_code == 404
    answer = client.post(url, json={"study_instance_uid": "1.2.77", "actor": "mara"})

    assert answer.status_code == 200
    assert answer.json()["instances"][0]["instance"]["header"]["study_instance_uid"] == "1.2.77"
    assert client.get("/api/v1/worklist/1.2.77").status_code == 200
    assert client.get("/studies/1.2.77").status_code == 200
    assert client.get(page).status_code == 404
    assert client.post(url, json={"study_instance_uid": "1.2.77", "actor": "mara"}).status_code == 409
