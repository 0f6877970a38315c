"""What people read back, on SQLite and on PostgreSQL, straight from the store and over REST."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.delivery import DeliveryState, ResultKind
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.errors import NotFoundError
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from tests.web.staging import NOW, PATIENT_NAME, Stage


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    settings = load_settings(node={"data_dir": tmp_path})
    return Stage(WebServices(database, DiskObjects(settings.objects_dir), settings, list), [])


def test_the_history_of_an_image(stage: Stage, database: Database) -> None:
    _, digest = stage.add(1)

    with database.begin() as transaction:
        image = history.of_instance(transaction, digest)

    assert image.instance.digest == digest
    assert (image.peer_address, image.size_bytes, image.attempts) == ("10.0.0.7", 8_000_000, 1)
    assert image.assessment is not None
    assert image.disposition is not None
    assert image.disposition.verdict is Verdict.REJECT
    assert image.decided_at is not None
    assert image.decided_at > NOW
    (result,) = image.results
    assert (result.kind, result.sop_instance_uid) == (ResultKind("SR"), "2.25.1")
    (delivery,) = result.deliveries
    assert (delivery.destination, delivery.state, delivery.sent_at) == ("PACS", DeliveryState.QUEUED, None)


def test_by_study_oldest_first_and_no_more_than_asked_for(stage: Stage, database: Database) -> None:
    for number in (1, 2, 3):
        stage.add(number, study=9)

    with database.begin() as transaction:
        result = history.of_uid(transaction, "1.2.3.9", limit=2)
        study = history.of_study(transaction, "1.2.3.9")

    assert [image.instance.header.sop_instance_uid for image in result] == ["1.2.3.4.5.1", "1.2.3.4.5.2"]
    assert (study.patient_id, study.patient_name) == ("PID1", PATIENT_NAME)


def test_events_in_order(stage: Stage, database: Database) -> None:
    stage.add(1)
    with database.begin() as transaction:
        worklist.claim(transaction, "1.2.3.1", "mara", NOW)
        worklist.unclaim(transaction, "1.2.3.1", "mara", NOW)

        events = history.of_worklist(transaction, "1.2.3.1")

    assert [(event.action, event.actor) for event in events] == [
        ("flagged", ""),
        ("claimed", "mara"),
        ("released", "mara"),
    ]


def test_what_was_never_received(database: Database) -> None:
    with database.begin() as transaction:
        assert history.of_uid(transaction, "1.9", limit=5) == []
        assert history.of_worklist(transaction, "1.9") == []
        with pytest.raises(NotFoundError, match=r"1\.9"):
            history.of_study(transaction, "1.9")


@pytest.mark.more
def test_pages_and_rest_on_this_database(stage: Stage) -> None:
    stage.add(1)
    client = TestClient(create_app(stage.services), base_url="http://localhost", client=("127.0.0.1", 1))

    assert client.get("/api/v1/worklist", params={"reason": "motion_blur", "station": "ROOM1"}).json()["total"] == 1
    assert client.get("/api/v1/worklist", params={"station": "a\x00b"}).status_code == 422
    claimed = client.post("/api/v1/worklist/1.2.3.1/claim", json={"actor": "mara"})
    assert claimed.json()["state"] == "CLAIMED"
    assert client.post("/api/v1/worklist/1.2.3.1/claim", json={"actor": "a\x00b"}).status_code == 422
    assert "CLAIMED" not in client.get("/").text
    assert "Claimed by mara" in client.get("/").text
    assert client.get("/studies/1.2.3.1").status_code == 200
    assert client.get("/api/v1/instances/1.2.3.1").json()["instances"][0]["peer_address"] == "10.0.0.7"
    assert "miqa_worklist_open 1.0" in client.get("/metrics").text
