# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""What people read back, on SQLite and on PostgreSQL, straight from the store and over REST."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from miqa_node.core.domain.delivery import DeliveryState, ResultKind
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.errors import NotFoundError
from miqa_node.features.worklist.rows import history, worklist
from miqa_node.interfaces.web.app import create_app
from miqa_node.interfaces.web.services import WebServices
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from tests.features.worklist.page.test_history import stage
from tests.web.staging import NOW, PATIENT_NAME, Stage


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
