"""Changes of accounts at the same time, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from miqa_node.core.domain.access import Role
from miqa_node.errors import ConflictError
from miqa_node.runtime.people import accounts
from miqa_node.runtime.store.database import Database
from tests.runtime.store.making import NOW


def test_two_administrators_do_not_leave_the_node_without_one(database: Database) -> None:
    with database.begin() as transaction:
        for name in ("ada", "bea"):
            accounts.add(transaction, name, Role.ADMIN, "ada", NOW, password_hash="x")

    def disable_ada() -> None:
        with database.begin() as transaction:
            accounts.set_disabled(transaction, "ada", "bea", NOW, disabled=True)

    with ThreadPoolExecutor(1) as bea:
        with database.begin() as transaction:
            accounts.set_role(transaction, "bea", Role.VIEWER, "ada", NOW)
            act = bea.submit(disable_ada)
            wait([act], timeout=0.3)
        with pytest.raises(ConflictError, match="only administrator"):
            act.result()
