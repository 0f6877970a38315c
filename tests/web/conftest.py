"""A store with images in it and the web interface in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from miqa_node.settings import load_settings
from miqa_node.store.database import Database
from miqa_node.store.objects import DiskObjects
from miqa_node.web.app import WebServices, create_app
from miqa_node.web.pages.sign_in import passwords
from tests.web.people import QUICK
from tests.web.staging import Stage


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, object]]]:
    """What was logged; it is kept from the console, where it would be rendered at length."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of tests are not worth 64 MiB each; test_passwords.py looks at the real hash."""
    monkeypatch.setattr(passwords, "_hasher", QUICK)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    settings = load_settings(node={"data_dir": tmp_path}, web={"page_size": 3, "allowed_hosts": ["miqa.example"]})
    database = Database(settings.database_url)
    database.migrate()
    not_ready: list[str] = []
    services = WebServices(database, DiskObjects(settings.objects_dir), settings, lambda: list(not_ready))
    yield Stage(services, not_ready)
    database.close()


@pytest.fixture
def app(stage: Stage) -> FastAPI:
    return create_app(stage.services)


@pytest.fixture
def connect(app: FastAPI) -> Callable[..., TestClient]:
    """Clients of the application; ``client`` is the address that the request comes from."""

    def make(client: str = "127.0.0.1", base_url: str = "http://localhost:8080") -> TestClient:
        return TestClient(app, base_url, raise_server_exceptions=False, client=(client, 50000), follow_redirects=False)

    return make


@pytest.fixture
def client(connect: Callable[..., TestClient]) -> TestClient:
    return connect()
