"""How long the dashboards take with ten million images in PostgreSQL: ``python -m benchmarks.dashboards``.

Starts a PostgreSQL server of its own in a temporary folder, fills it with generated rows (dashboards.sql: three years
of a hospital with 30 devices), lets the node count them, and asks for each page over HTTP, again and again.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.machine import describe, keep, quantiles
from miqa_node.core.settings import load_settings
from miqa_node.features.analysis.rows import rollup
from miqa_node.interfaces.web.app import WebServices, create_app
from miqa_node.interfaces.web.server import WebServer
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.work.migration import migrate

POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
LAST_DAY = date(2026, 10, 31)
DAYS = 1096
LIMIT_S = 1.0
TABLES = (
    "acquisitions", "acquisition_days", "acquisition_findings", "labels", "label_findings", "measurement_weeks",
    "instances", "studies",
)  # fmt: skip

FILL = Path(__file__).with_suffix(".sql").read_text("utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--requests", type=int, default=20, help="per page and period")
    parser.add_argument("--url", default="", help="a filled PostgreSQL instead of a new one")
    parser.add_argument("--dry-run", action="store_true", help="print the result and keep nothing")
    arguments = parser.parse_args()
    machine = describe()
    with postgres_server(arguments.url) as url, tempfile.TemporaryDirectory() as folder:
        prepared = {"rows": _rows(url)} if arguments.url else _fill(url, arguments.images)
        result = {"images": arguments.images, "limit_s": LIMIT_S, **prepared}
        result["pages"] = _measure(url, Path(folder), arguments.requests)
    slowest = max(page["p95_s"] for page in result["pages"].values())
    result["slowest_p95_s"], result["within_limit"] = slowest, slowest < LIMIT_S
    if arguments.dry_run:
        for name, page in result["pages"].items():
            print(f"{page['p95_s']:7.3f} s p95  {page['p50_s']:7.3f} s p50  {name}")
    else:
        keep("dashboards", machine, result)


def pages() -> dict[str, str]:
    """Name → address of everything that is measured."""
    addresses = {}
    until = LAST_DAY + timedelta(days=1)
    for name, days in {"month": 31, "quarter": 92, "year": 365, "all three years": DAYS}.items():
        period = f"since={until - timedelta(days=days)}&until={LAST_DAY}"
        addresses[f"rejects, {name}"] = f"/analysis?{period}"
        addresses[f"model watch, {name}"] = f"/analysis/model?{period}"
        addresses[f"labels, {name}"] = f"/analysis/labels?{period}"
        addresses[f"rejects of a room, {name}"] = f"/analysis?{period}&room=Room+7"
        addresses[f"rejects of the chest, {name}"] = f"/analysis?{period}&body_part=CHEST"
    return addresses


def _measure(url: str, folder: Path, requests: int) -> dict[str, dict[str, float]]:
    settings = load_settings(node={"data_dir": folder}, store={"database_url": url}, web={"port": 0})
    database = Database(url)
    server = WebServer(create_app(WebServices(database, DiskObjects(folder), settings, list)), settings.web)
    server.start()
    measurements = {}
    try:
        for name, address in pages().items():
            times = []
            for _ in range(requests):
                start = time.perf_counter()
                with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{address}", timeout=120) as answer:
                    answer.read()
                times.append(time.perf_counter() - start)
            measurements[name] = quantiles(times)
    finally:
        server.stop()
        database.close()
    return measurements


def _fill(url: str, images: int) -> dict[str, Any]:
    database = Database(url)
    migrate(database)
    first = LAST_DAY - timedelta(days=DAYS - 1)
    values = {"images": images, "days": DAYS, "first": first, "monday": first - timedelta(days=first.weekday())}
    start = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        indexes = without_indexes(connection, [*TABLES, "dispositions", "shadow_assessments"])
        for statement in (FILL % values).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        for index in indexes:  # made at the end, which is faster
            connection.execute(index.encode())
        connection.execute("ANALYZE")
        filled = time.perf_counter()
        with database.begin() as transaction:
            rollup.refresh(transaction, datetime.now(UTC) + timedelta(minutes=5))
        counted = time.perf_counter()
        connection.execute("VACUUM ANALYZE")
        rows = {name: _count(connection, name) for name in TABLES}
    database.close()
    return {"rows": rows, "fill_s": round(filled - start, 1), "first_count_s": round(counted - filled, 1)}


def without_indexes(connection: psycopg.Connection[Any], tables: Sequence[str]) -> list[str]:
    """Drop the secondary indexes of the tables to fill; the statements that make them again."""
    query = """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY(%s)
        AND indexname LIKE 'ix_%%'"""
    rows = connection.execute(query, [list(tables)]).fetchall()
    for name, _ in rows:
        connection.execute(f"DROP INDEX {name}".encode())
    return [str(definition) for _, definition in rows]


def _rows(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        return {name: _count(connection, name) for name in TABLES}


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def postgres_server(url: str) -> Iterator[str]:
    """The URL of a running server: the given one, or a new one that ends with the block."""
    if url:
        yield url
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.gettempdir()) / f"miqa-dashboards-{port}"
    run = ["runuser", "-u", "postgres", "--"] if shutil.which("runuser") else []
    subprocess.run([*run, POSTGRES_BIN / "initdb", "-D", folder, "-A", "trust"], check=True, capture_output=True)
    command: list[str | Path] = [
        *run,
        POSTGRES_BIN / "postgres",
        "-D",
        folder,
        "-p",
        str(port),
        "-k",
        folder,
        "-h",
        "127.0.0.1",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        for _ in range(300):
            try:
                psycopg.connect(address).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
