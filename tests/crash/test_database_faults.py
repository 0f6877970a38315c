"""PostgreSQL that stops, is killed, fails over to its standby or lets nobody in: senders are told, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.conftest import PostgresServer
from tests.crash.faults import ALL, FAULT_S, Record, at_work, check, marks, only_with_all, wait_for_refusal
from tests.stages.deliver.receiver import Receiver
from tests.waiting import delay, wait_until

CONNECTIONS = 40

pytestmark = [*marks, pytest.mark.peers]


@pytest.mark.parametrize("how", ["killed", "stopped"] if ALL else ["killed"])
def test_a_postgresql_that_is(
    how: str, tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    with PostgresServer() as server:
        station = at_work(tmp_path, samples, webhook, {"MIQA_STORE__DATABASE_URL": server.url})
        server.stop(kill=how == "killed")
        wait_for_refusal(station)
        server.start()
        check(station, record_property)


@only_with_all
def test_a_postgresql_whose_standby_takes_over(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    """Replication is synchronous: what was answered is on the standby, too."""
    with PostgresServer() as primary, primary.standby() as standby:
        both = f"postgresql://postgres@/postgres?host=127.0.0.1:{primary.port}&host=127.0.0.1:{standby.port}"
        url = f"{both}&target_session_attrs=read-write"
        station = at_work(tmp_path, samples, webhook, {"MIQA_STORE__DATABASE_URL": url})
        primary.stop(kill=True)
        wait_for_refusal(station)
        standby.promote()
        check(station, record_property)


@only_with_all
def test_a_postgresql_without_a_free_connection(
    tmp_path: Path, samples: Path, webhook: Receiver, record_property: Record
) -> None:
    with PostgresServer(max_connections=CONNECTIONS) as server, ExitStack() as others:
        station = at_work(tmp_path, samples, webhook, {"MIQA_STORE__DATABASE_URL": server.url})
        for connection in _all_that_are_left(server.url):
            others.enter_context(connection)
        wait_for_refusal(station)
        delay(FAULT_S)
        others.close()
        check(station, record_property)


def _all_that_are_left(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Connections until none is left, those of the node included, which are ended."""
    first = psycopg.connect(url, autocommit=True)
    yield first
    others = "application_name <> 'hog' AND pid <> pg_backend_pid()"
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    count = 1

    def is_full() -> bool:
        nonlocal count
        with suppress(psycopg.Error):
            first.execute(sql.SQL(end))
        with suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(url, application_name="hog"))
                count += 1
        return count >= CONNECTIONS

    held: list[psycopg.Connection[Any]] = []
    wait_until(is_full, what="all connections are taken")
    yield from held
