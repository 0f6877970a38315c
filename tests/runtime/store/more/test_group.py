"""Group commit: everybody's rows, everybody's own error, and nobody returns before the commit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from miqa_node.runtime.store.database import Database, Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import executors
from miqa_node.stages.receive.rows.group import GroupCommit
from tests.waiting import LIMIT_S

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.peers
def test_two_processes_that_write_the_same_rows_in_other_orders_refuse_nobody(postgres_url: str) -> None:
    """A group holds rows of several senders, so two groups may wait for each other: PostgreSQL ends one of them."""
    databases = [Database(postgres_url, pool_size=4) for _ in range(2)]
    databases[0].migrate()
    with databases[0].begin() as transaction:
        for name in ("x", "y"):
            insert_or_ignore(transaction, executors, {"name": name, "started_at": NOW, "heartbeat_at": NOW})
    both_hold_one = threading.Barrier(2)

    def touch(name: str, *, second: bool) -> Callable[[Transaction], str]:
        once: list[str] = []

        def write(transaction: Transaction) -> str:
            if second and not once:
                once.append(name)
                both_hold_one.wait(20)
            transaction.execute(sa.update(executors).where(executors.c.name == name).values(heartbeat_at=NOW))
            return name

        return write

    def process(database: Database, pool: ThreadPoolExecutor, order: str) -> list[Future[str]]:
        group = GroupCommit(database)
        first_is_in, go_on = threading.Event(), threading.Event()

        def hold(_: Transaction) -> str:
            first_is_in.set()
            assert go_on.wait(LIMIT_S)
            return "hold"

        futures = [pool.submit(group.run, hold)]
        assert first_is_in.wait(LIMIT_S)
        for number, name in enumerate(order, 1):
            futures.append(pool.submit(group.run, touch(name, second=number == 2)))
            while len(group._waiting) < number:
                pass
        go_on.set()
        return futures

    with ThreadPoolExecutor(8) as pool:
        futures = process(databases[0], pool, "xy") + process(databases[1], pool, "yx")
        assert [future.result(LIMIT_S) for future in futures] == ["hold", "x", "y", "hold", "y", "x"]
    for database in databases:
        database.close()
