"""Applications of tests start at once: FastAPI analyses the routes of the first one only (tests/conftest.py)."""

from __future__ import annotations

import pytest
from fastapi.routing import _EffectiveRouteContext
from fastapi.testclient import TestClient

from miqa_node.interfaces.web.app import create_app
from tests.web.staging import Stage


def test_the_routes_of_a_second_application_are_known(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    clients = [
        TestClient(create_app(stage.services), "http://localhost:8080", client=("127.0.0.1", 50000)) for _ in range(2)
    ]
    assert clients[0].get("/").status_code == 200
    monkeypatch.delattr(_EffectiveRouteContext, "from_api_route")
    assert clients[1].get("/").status_code == 200
