"""Migration, readiness and durability settings of the database."""

from __future__ import annotations

import secrets
import socket

import pytest
import sqlalchemy as sa

from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database


def test_a_value_that_is_too_large_for_an_index_is_none(postgres_url: str) -> None:
    """Its sender would get 0xA700 and send it again for ever."""
    database = Database(postgres_url)
    with database.begin() as transaction:
        transaction.execute(sa.text("CREATE TABLE texts (text TEXT)"))
        transaction.execute(sa.text("CREATE INDEX ix_texts ON texts (text)"))
    with pytest.raises(sa.exc.OperationalError, match="maximum"), database.begin() as transaction:
        transaction.execute(sa.text("INSERT INTO texts VALUES (:text)"), {"text": secrets.token_hex(9000)})
    database.close()


def test_a_database_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miqa_node.runtime.store.database.CONNECT_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none")
        with pytest.raises(ResourcesError), database.begin() as transaction:
            transaction.execute(sa.text("SELECT 1"))
        database.close()
