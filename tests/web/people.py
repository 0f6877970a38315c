"""Accounts for tests, and clients that are signed in with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from argon2 import PasswordHasher
from fastapi.testclient import TestClient

from miqa_node.core.domain.access import Permission, Role
from miqa_node.runtime.people import tokens, users
from tests.web.staging import Stage

PASSWORD = "correct horse battery staple"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
HASHED = QUICK.hash(PASSWORD)
ORIGIN = {"origin": "http://localhost:8080"}


def add_account(stage: Stage, name: str, role: Role) -> None:
    with stage.services.database.begin() as transaction:
        users.add(transaction, name, role, datetime.now(UTC), password_hash=HASHED)


def add_token(stage: Stage, name: str, *scopes: Permission, expires_at: datetime | None = None) -> dict[str, str]:
    """The header of a new token."""
    with stage.services.database.begin() as transaction:
        secret = tokens.add(transaction, name, "", scopes, datetime.now(UTC), expires_at)
    return {"authorization": f"Bearer {secret}"}


def sign_in(client: TestClient, name: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/sign-in", data={"name": name, "password": password, **more}, headers=ORIGIN)


def signed_in(stage: Stage, connect: Callable[..., TestClient], name: str, role: Role) -> TestClient:
    """A browser of a new account."""
    add_account(stage, name, role)
    client = connect(client="10.0.0.7")
    assert sign_in(client, name).status_code == 303
    return client
