"""A store with images in it and the web interface in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from miqa_node.features.accounts.page.sign_in import passwords
from miqa_node.interfaces.web.app import create_app
from tests.web.people import QUICK
from tests.web.staging import Stage, staging


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
    with staging(tmp_path, page_size=3) as stage:
        yield stage


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
