"""How long the worklist and other pages take with ten million assessed images: python -m benchmarks.worklist_page.

Starts a PostgreSQL server of its own, fills it with generated rows (worklist_page.sql: a year of images, a tenth of
them flagged, a third of those unresolved), and asks for the page over HTTP with each filter, order and place, again and
again.
"""

from __future__ import annotations

import argparse
import html
import re
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.machine import describe, keep, quantiles
from miqa_node.core.settings import load_settings
from miqa_node.interfaces.web.app import WebServices, create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.work.migration import migrate
from tests.conftest import PostgresServer

DAYS = 365
LIMIT_S = 0.2
PAGES_ONWARD = 40
TABLES = ("studies", "instances", "assessments", "dispositions", "worklist", "worklist_events", "worklist_facets",
          "results", "deliveries")  # fmt: skip
FILL = Path(__file__).with_suffix(".sql").read_text("utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--requests", type=int, default=30, help="per list")
    parser.add_argument("--url", default="", help="a filled PostgreSQL instead of a new one")
    parser.add_argument("--dry-run", action="store_true", help="print the result and keep nothing")
    arguments = parser.parse_args()
    machine = describe()
    with ExitStack() as stack:
        url = arguments.url or stack.enter_context(PostgresServer()).url
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        rows = count_rows(url) if arguments.url else fill(url, arguments.images)
        result = {"images": arguments.images, "limit_s": LIMIT_S, "rows": rows}
        result |= _measure(url, Path(folder), arguments.requests)
    if not arguments.dry_run:
        keep("worklist_page", machine, result)
        return
    for name, page in result["lists"].items():
        print(f"{page['p95_s']:7.3f} s p95  {page['p50_s']:7.3f} s p50  {name}")
    print(result["worklist"], result["all"])


def without_indexes(connection: psycopg.Connection[Any], tables: Sequence[str]) -> list[str]:
    """Drop the secondary indexes of the tables to fill; the statements that make them again."""
    query = """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY(%s)
        AND indexname LIKE 'ix_%%'"""
    rows = connection.execute(query, [list(tables)]).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}".encode())
    return [str(definition) for _, definition in rows]


def lists(newest: datetime) -> dict[str, str]:
    """Name → query of every list that is measured."""
    month = f"since={newest - timedelta(days=60):%Y-%m-%d}&until={newest - timedelta(days=30):%Y-%m-%d}"
    return {
        "unresolved, newest first": "",
        "unresolved, worst first": "order=worst",
        "resolved": "show=resolved",
        "all": "show=all",
        "rejected": "verdict=REJECT",
        "a common finding": "reason=motion_blur",
        "a rare finding": "reason=double_exposure",
        "a busy station": "station=ROOM+0",
        "a quiet station": "station=ROOM+39",
        "a station that is not there": "station=NOWHERE",
        "modality, body part, view": "modality=MG&body_part=SKULL&view=OBL",
        "five filters, worst first": "modality=DX&body_part=CHEST&view=PA&station=ROOM+7&reason=unsharp&order=worst",
        "an assignee": "assignee=reader7&show=claimed",
        "a month": month,
        "a month at a station": f"{month}&station=ROOM+12&show=all",
        "an accession number": "search=A500000&show=all",
        "a study's UID": "search=1.2.826.0.1.500000&show=all",
    }


def pages(url: str) -> dict[str, str]:
    """Name → address of what else is measured."""
    newest = "SELECT study_instance_uid FROM worklist WHERE state = 'OPEN' ORDER BY flagged_at DESC LIMIT 1"
    with psycopg.connect(url) as connection:
        [study] = connection.execute(newest).fetchone() or ("",)
    return {
        "a study": f"/studies/{study}",
        "images": "/images",
        "operations": "/operations",
        "worklist over REST, 200 studies": "/api/v1/worklist?limit=200",
        "an image over REST": f"/api/v1/instances/{study}.1.1",
        "deliveries over REST": "/api/v1/deliveries",
        "metrics": "/metrics",
    }


def _measure(url: str, folder: Path, requests: int) -> dict[str, Any]:
    settings = load_settings(node={"data_dir": folder}, store={"database_url": url}, web={"port": 0})
    database = Database(url)
    server = WebServer(create_app(WebServices(database, DiskObjects(folder), settings, list)), settings.web)
    server.start()
    measurements: dict[str, list[float]] = {}
    queries = lists(datetime.now(UTC))
    try:
        base = f"http://127.0.0.1:{server.port}"
        _ask(f"{base}/")  # FastAPI works out its routes at the first request
        for name, query in queries.items():
            measurements[name] = [_ask(f"{base}/?{query}")[0] for _ in range(requests)]
        for name, address in pages(url).items():
            measurements[name] = [_ask(base + address)[0] for _ in range(requests)]
        measurements["onward, page after page"] = _onward(base)
    finally:
        server.stop()
        database.close()
    worklist = quantiles([time_s for name in queries for time_s in measurements[name]])
    return {
        "lists": {name: quantiles(times) for name, times in measurements.items()},
        "worklist": worklist,
        "all": quantiles([time_s for times in measurements.values() for time_s in times]),
        "within_limit": worklist["p95_s"] < LIMIT_S,
    }


def _onward(base: str) -> list[float]:
    """From the first page of all studies onward by its own links."""
    times, address = [], f"{base}/?show=all"
    for _ in range(PAGES_ONWARD):
        time_s, page = _ask(address)
        times.append(time_s)
        onward = re.search('rel="next" href="([^"]*)"', page)
        if onward is None:
            break
        address = base + html.unescape(onward[1])
    return times


def _ask(address: str) -> tuple[float, str]:
    start = time.perf_counter()
    with urllib.request.urlopen(address, timeout=120) as answer:
        page = answer.read().decode()
    return time.perf_counter() - start, page


def fill(url: str, images: int) -> dict[str, int]:
    database = Database(url)
    migrate(database)
    database.close()
    values = {"images": images, "days": DAYS, "first": f"{datetime.now(UTC) - timedelta(days=DAYS):%Y-%m-%d %H:%M}"}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SET session_replication_role = replica"
        )  # the rows are made to fit: no foreign keys to check
        indexes = without_indexes(connection, TABLES)
        for statement in (FILL % values).split(";\n"):
            connection.execute(statement.encode())
        for index in indexes:  # made at the end, which is faster
            connection.execute(index.encode())
        connection.execute("VACUUM ANALYZE")
    return count_rows(url)


def count_rows(url: str) -> dict[str, int]:
    """Rows of each table that is filled."""
    with psycopg.connect(url) as connection:
        return {table: _count(connection, table) for table in TABLES}


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
