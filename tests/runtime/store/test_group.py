"""Group commit: everybody's rows, everybody's own error, and nobody returns before the commit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from miqa_node.errors import ResourcesError
from miqa_node.runtime.store.database import Database, Transaction, insert_or_ignore
from miqa_node.runtime.store.tables import executors
from miqa_node.stages.receive.rows.group import MAX_GROUP, GroupCommit
from tests.waiting import LIMIT_S

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def add(name: str) -> Callable[[Connection], str]:
    def write(transaction: Transaction) -> str:
        now = datetime.now(UTC)
        insert_or_ignore(transaction, executors, {"name": name, "started_at": now, "heartbeat_at": now})
        if name.startswith("bad"):
            raise ValueError(name)
        return name

    return write


def names(database: Database) -> set[str]:
    with database.begin() as transaction:
        return set(transaction.execute(sa.select(executors.c.name)).scalars())


def test_many_threads_share_transactions_and_find_their_rows_committed(database: Database) -> None:
    group = GroupCommit(database)

    def one(number: int) -> None:
        assert group.run(add(f"n{number}")) == f"n{number}"
        assert f"n{number}" in names(database)  # another connection sees it: it is committed

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(200)))
    assert names(database) == {f"n{number}" for number in range(200)}


def test_whoever_comes_while_one_writes_goes_together(database: Database) -> None:
    group = GroupCommit(database)
    transactions: list[object] = []
    first_is_in, go_on = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        first_is_in.set()
        assert go_on.wait(LIMIT_S)

    def note(transaction: Transaction) -> None:
        transactions.append(transaction)

    with ThreadPoolExecutor(MAX_GROUP + 10) as pool:
        futures = [pool.submit(group.run, slow)]
        assert first_is_in.wait(LIMIT_S)
        futures += [pool.submit(group.run, note) for _ in range(MAX_GROUP + 8)]
        while len(group._waiting) < MAX_GROUP + 8:
            pass
        go_on.set()
        for future in futures:
            future.result(20)
    sizes = [sum(one is other for other in transactions) for one in dict.fromkeys(transactions)]
    assert sizes == [MAX_GROUP, 8]


def test_one_that_fails_takes_nobody_along(database: Database) -> None:
    group = GroupCommit(database)
    outcomes: dict[str, object] = {}

    def one(name: str) -> None:
        try:
            outcomes[name] = group.run(add(name))
        except ValueError as error:
            outcomes[name] = error

    expected = [f"{'bad' if number % 5 == 0 else 'good'}{number}" for number in range(60)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(one, expected))
    good = {name for name in expected if name.startswith("good")}
    assert names(database) == good
    assert {name for name, outcome in outcomes.items() if isinstance(outcome, ValueError)} == set(expected) - good


def test_a_database_that_is_away_is_said_to_everybody(database: Database) -> None:
    group = GroupCommit(database)

    def away(transaction: Transaction) -> None:
        raise ResourcesError("away")

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(group.run, away) for _ in range(8)]:
            with pytest.raises(ResourcesError):
                future.result(20)
    assert group.run(add("later")) == "later"


@pytest.mark.more
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
