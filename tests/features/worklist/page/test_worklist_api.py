"""The worklist and the images over REST."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.codes import UNKNOWN_FAILURE
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.identity import with_surrogates
from miqa_node.core.domain.instance import InstanceDigest, ReceivedObject
from miqa_node.core.domain.verdict import EXPERIMENTAL, Disposition, Reason, Verdict
from miqa_node.core.taxonomy.lookup import finding_names
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import labels
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.documents import dump_reasons
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.tables import dispositions
from miqa_node.stages.units.rows import instances
from tests.web.staging import Stage


def test_lists_flagged_studies_newest_first_page_by_page(stage: Stage, client: TestClient) -> None:
    for number in range(1, 6):
        stage.add(number)
    stage.add(6, Verdict.ACCEPT)

    first = client.get("/api/v1/worklist").json()
    second = client.get("/api/v1/worklist", params={"offset": 3}).json()

    assert (first["total"], first["limit"], first["offset"]) == (5, 3, 0)
    assert [item["study_instance_uid"] for item in first["items"]] == ["1.2.3.5", "1.2.3.4", "1.2.3.3"]
    assert [item["study_instance_uid"] for item in second["items"]] == ["1.2.3.2", "1.2.3.1"]


def test_an_item_holds_what_a_person_needs_to_decide_and_no_name(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1, Verdict.REVIEW, FindingName.GRID_ARTIFACT)

    answer = client.get("/api/v1/worklist/1.2.3.1")
    item = answer.json()

    assert item["verdict"] == "REVIEW"
    assert item["state"] == "OPEN"
    assert item["accession_number"] == "ACC1"
    (image,) = item["images"]
    assert image["sop_instance_uid"] == "1.2.3.4.5.1"
    assert image["digest"] == digest
    assert image["verdict"] == "REVIEW"
    assert image["score"] == pytest.approx(100 * (1 - 0.97 * 0.6))
    assert image["reasons"] == ["Grid artifact: probability 0.97, severity 0.60"]
    assert (image["modality"], image["body_part"], image["view"], image["station"]) == ("DX", "CHEST", "PA", "ROOM1")
    assert "Muster" not in answer.text


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"verdict": "REJECT"}, {"1.2.3.1"}),
        ({"verdict": ["REJECT", "REVIEW"]}, {"1.2.3.1", "1.2.3.2"}),
        ({"reason": "grid_artifact"}, {"1.2.3.2"}),
        ({"station": "ROOM2"}, {"1.2.3.2"}),
        ({"accession_number": "ACC1"}, {"1.2.3.1"}),
        ({"modality": "CT"}, set()),
        ({"body_part": "CHEST", "view": "PA", "modality": "DX"}, {"1.2.3.1", "1.2.3.2"}),
        ({"uid": "1.2.3.4.5.2"}, {"1.2.3.2"}),
        ({"since": "2026-11-20T09:32:00Z"}, {"1.2.3.2"}),
        ({"until": "2026-11-20T09:32:00+00:00"}, {"1.2.3.1"}),
        ({"state": "RESOLVED"}, set()),
    ],
)
def test_filters(stage: Stage, client: TestClient, parameters: dict[str, str | list[str]], expected: set[str]) -> None:
    stage.add(1, Verdict.REJECT)
    stage.add(2, Verdict.REVIEW, FindingName.GRID_ARTIFACT, station="ROOM2")

    answer = client.get("/api/v1/worklist", params=parameters).json()

    assert {item["study_instance_uid"] for item in answer["items"]} == expected
    assert answer["total"] == len(expected)


def test_a_decision_carries_reason_comment_and_what_was_drawn(stage: Stage, client: TestClient) -> None:
    _, digest = stage.add(1)
    _, other = stage.add(2, study=1)
    square = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.6], [0.1, 0.6]]
    decision = {
        "actor": "mara",
        "resolution": "retaken",
        "comment": "patient moved",
        "reason": "111210",
        "images": [digest],
        "regions": [
            {"digest": digest, "finding": "motion_blur", "points": square},
            {"digest": digest, "points": square},
        ],
    }

    answer = client.post("/api/v1/worklist/1.2.3.1/resolve", json=decision)

    assert answer.status_code == 200, answer.text
    assert answer.json()["comment"] == "patient moved"
    with stage.services.database.begin() as transaction:
        [label] = labels.of_images(transaction, [digest, other])
    opinion = label.judgement
    assert (label.digest, opinion.actor, opinion.bad, opinion.rejects, opinion.reason) == (
        digest,
        "mara",
        True,
        True,
        "111210",
    )
    assert opinion.findings == ("motion_blur",)
    assert [region.finding for region in opinion.regions] == ["motion_blur", ""]
    assert opinion.regions[0].points == tuple((x, y) for x, y in square)


TRIANGLE = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.6]]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda _a, _b: {"reason": "113001"}, "reason: no code value of CID 7011"),
        (lambda _a, _b: {"images": ["f" * 64]}, "not a flagged image of this study"),
        (lambda _a, _b: {"regions": [{"digest": "f" * 64, "points": TRIANGLE}]}, "not about"),
        (lambda a, b: {"images": [a], "regions": [{"digest": b, "points": TRIANGLE}]}, "not about"),
        (lambda a, _b: {"regions": [{"digest": a, "points": TRIANGLE[:2]}]}, "points"),
        (lambda a, _b: {"regions": [{"digest": a, "points": [*TRIANGLE, [1.1, 0.0]]}]}, "points"),
        (lambda a, _b: {"regions": [{"digest": a, "points": TRIANGLE, "finding": "ugly"}]}, "finding"),
        (lambda a, _b: {"regions": [{"digest": a, "points": TRIANGLE}] * 51}, "regions"),
        (lambda _a, _b: {"archives": ["PACS"]}, "archives"),
    ],
)
def test_a_decision_that_says_nonsense_changes_nothing(
    stage: Stage, client: TestClient, wrong: Any, words: str
) -> None:
    made = [stage.add(number, study=1)[1] for number in (1, 2)]

    body = {"actor": "mara", "resolution": "retaken", **wrong(*made)}
    answer = client.post("/api/v1/worklist/1.2.3.1/resolve", json=body)

    assert answer.status_code == 422
    assert words in answer.text
    assert client.get("/api/v1/worklist/1.2.3.1").json()["state"] == "OPEN"
    with stage.services.database.begin() as transaction:
        assert labels.of_images(transaction, made) == []


def test_claim_release_resolve(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    url = "/api/v1/worklist/1.2.3.1"

    claimed = client.post(f"{url}/claim", json={"actor": "mara"}).json()
    released = client.post(f"{url}/release", json={"actor": "mara"}).json()
    decision = {"actor": "mara", "resolution": "retaken", "comment": "moved"}
    resolved = client.post(f"{url}/resolve", json=decision).json()
    again = client.post(f"{url}/claim", json={"actor": "tom"})

    assert (claimed["state"], claimed["claimed_by"]) == ("CLAIMED", "mara")
    assert (released["state"], released["claimed_by"]) == ("OPEN", "")
    assert (resolved["state"], resolved["resolution"], resolved["resolved_by"]) == ("RESOLVED", "retaken", "mara")
    assert client.get(url).json() == resolved
    assert again.status_code == 409
    assert "RESOLVED" in again.json()["detail"]


def test_a_decision_can_name_how_many_images_were_seen(stage: Stage, client: TestClient) -> None:
    stage.add(1)
    stage.add(2, study=1)
    url = "/api/v1/worklist/1.2.3.1"
    decision = {"actor": "mara", "resolution": "dismissed"}

    assert client.post(f"{url}/resolve", json=decision | {"image_count": 1}).status_code == 409
    assert client.get(url).json()["state"] == "OPEN"
    assert client.post(f"{url}/resolve", json=decision | {"image_count": 2}).status_code == 200


def test_an_image_is_found_by_digest_and_by_every_uid(stage: Stage, client: TestClient) -> None:
    study, digest = stage.add(1, Verdict.ACCEPT)

    for name in (digest, study, "1.2.3.4.1", "1.2.3.4.5.1"):
        answer = client.get(f"/api/v1/instances/{name}").json()
        assert [one["instance"]["digest"] for one in answer["instances"]] == [digest]
        assert not answer["truncated"]

    (image,) = answer["instances"]
    assert image["peer_address"] == "10.0.0.7"
    assert image["disposition"]["verdict"] == "ACCEPT"
    assert len(image["assessment"]["findings"]) == len(finding_names())
    assert image["results"][0]["deliveries"][0]["state"] == "QUEUED"


@pytest.mark.parametrize(("name", "experimental"), [(EXPERIMENTAL, True), ("not_assessed", False)])
def test_an_experimental_image_has_a_key_that_says_so(
    stage: Stage, client: TestClient, name: str, experimental: bool
) -> None:
    """On the worklist too, if something else put it there, such as a prediction that waits."""
    study, digest = stage.add(1, Verdict.NOT_ASSESSED)
    reason = Reason(name, "No figures.", UNKNOWN_FAILURE, Verdict.NOT_ASSESSED)
    with stage.services.database.begin() as transaction:
        transaction.execute(sa.update(dispositions).values(reasons=dump_reasons((reason,)), flagged=True))
        worklist.flag(transaction, study, Verdict.NOT_ASSESSED, datetime.now(UTC))

    for uid in (digest, study):
        [image] = client.get(f"/api/v1/instances/{uid}").json()["instances"]
        assert image["experimental"] is experimental
    [image] = client.get(f"/api/v1/worklist/{study}").json()["images"]
    assert image["experimental"] is experimental


def test_many_instances_are_cut_and_say_so(stage: Stage, client: TestClient) -> None:
    for number in range(1, 6):
        stage.add(number, study=9)

    answer = client.get("/api/v1/instances/1.2.3.9", params={"limit": 2}).json()

    assert len(answer["instances"]) == 2
    assert answer["truncated"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/worklist/1.9", None, 404),
        ("GET", "/api/v1/instances/1.9", None, 404),
        ("GET", "/api/v1/nothing", None, 404),
        ("PUT", "/api/v1/worklist", {}, 405),
        ("GET", "/api/v1/worklist?limit=0", None, 422),
        ("GET", "/api/v1/worklist?limit=1001", None, 422),
        ("GET", "/api/v1/worklist?modalty=DX", None, 422),
        ("GET", "/api/v1/worklist?since=2026-01-01T00:00:00", None, 422),
        ("GET", "/api/v1/worklist/not%20a%20uid", None, 422),
        ("POST", "/api/v1/worklist/1.9/claim", {"actor": "mara"}, 404),
        ("POST", "/api/v1/worklist/1.2.3.1/claim", {"actor": ""}, 422),
        ("POST", "/api/v1/worklist/1.2.3.1/claim", {"actor": "mara", "why": "x"}, 422),
        ("POST", "/api/v1/worklist/1.2.3.1/resolve", {"actor": "mara", "resolution": "perhaps"}, 422),
    ],
)
def test_errors_are_problem_details(
    stage: Stage, client: TestClient, method: str, path: str, body: dict[str, str] | None, status: int
) -> None:
    stage.add(1)

    answer = client.request(method, path, json=body)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    if status == 405:
        assert problem["detail"] == "This address takes GET, not PUT."
    if status == 422:
        assert problem["errors"][0]["where"]


def test_a_wrong_value_is_not_echoed(client: TestClient) -> None:
    answer = client.get("/api/v1/worklist", params={"limit": "Muster^Erika"})

    assert answer.status_code == 422
    assert "Muster" not in answer.text


def test_a_database_that_does_not_answer_is_503(stage: Stage, client: TestClient) -> None:
    import sqlalchemy as sa

    with stage.services.database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE worklist"))

    answer = client.get("/api/v1/worklist")

    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The database did not answer")


def test_an_unexpected_error_tells_nothing_but_the_log(
    client: TestClient, logged: list[MutableMapping[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ValueError("Muster^Erika")

    monkeypatch.setattr("miqa_node.features.worklist.rows.worklist.count", explode)

    answer = client.get("/api/v1/worklist")

    assert answer.status_code == 500
    assert answer.json()["title"] == "Internal Server Error"
    assert "Muster" not in answer.text
    assert [(line["event"], line["path"]) for line in logged] == [("request failed", "/api/v1/worklist")]


@pytest.mark.parametrize("body", [b"[" * 20_000, b'{"actor": "\xff"}', b'{"actor": ' + b"9" * 5000 + b"}", b"{"])
def test_a_body_that_is_no_json_is_named(client: TestClient, body: bytes) -> None:
    answer = client.post("/api/v1/worklist/1.2.3/claim", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422, "as the document promises"
    assert "JSON" in answer.json()["detail"]


def test_deliveries_are_listed_held_released_cancelled_and_sent_again(stage: Stage, client: TestClient) -> None:
    for number in (1, 2):
        stage.add(number)
    page = client.get("/api/v1/deliveries", params={"destination": "PACS", "state": "QUEUED"}).json()
    assert (page["total"], len(page["items"])) == (2, 2)
    (one,) = client.get("/api/v1/deliveries", params={"uid": "1.2.3.4.5.1"}).json()["items"]
    assert (one["kind"], one["source_sop_instance_uid"], one["study_instance_uid"]) == ("SR", "1.2.3.4.5.1", "1.2.3.1")
    at = f"/api/v1/deliveries/{one['delivery_id']}"
    body = {"actor": "anna", "comment": "PACS is being moved"}
    for action, state in (("hold", "HELD"), ("release", "QUEUED"), ("cancel", "CANCELLED"), ("resend", "QUEUED")):
        assert client.post(f"{at}/{action}", json=body).json()["state"] == state
    refused = client.post(f"{at}/release", json=body)
    assert (refused.status_code, "HELD" in refused.json()["detail"]) == (409, True)
    events = client.get(at).json()["events"]
    assert [event["action"] for event in events] == ["hold", "release", "cancel", "resend"]
    assert {event["actor"] for event in events} == {"anna"}
    assert client.get("/api/v1/deliveries/999").status_code == 404
    assert client.post(f"{at}/explode", json=body).status_code == 422


@pytest.mark.more
def test_the_document_of_the_interface_lists_the_reasons(client: TestClient) -> None:
    schema = client.get("/api/v1/openapi.json").json()["components"]["schemas"]["Resolve"]["properties"]
    assert "111210" in schema["reason"]["enum"]
    assert schema["regions"]["maxItems"] == 50


@pytest.mark.more
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


@pytest.mark.more
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
