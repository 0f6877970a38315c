"""Fixtures that every kind of test shares: databases, object stores, samples, and the shared data folder."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.resources import files
from inspect import signature
from itertools import cycle
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, LiteralString, Self
from uuid import uuid4

import httpcore2
import httpx2
import hypothesis
import psycopg
import pytest
import structlog
from psycopg import sql

from miqa_node.core.observe.alerts import ALERTS
from miqa_node.core.settings import load_settings
from miqa_node.runtime.store import disk
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import SHARDS
from miqa_node.runtime.workers.pool import WorkerPool
from tests import costs, leftovers, quick
from tests.migrated import migrated_file
from tests.waiting import LIMIT_S, wait_until

if TYPE_CHECKING:
    from fastapi import FastAPI
    from playwright.sync_api import Browser
    from starlette.routing import BaseRoute

    from miqa_node.interfaces.web.page import Page


pytest_plugins = ("tests.peers.orthanc",)


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Every run knows the quick suite, tells what it cost, and fails what leaves something open."""
    pluginmanager.register(quick, "quick-suite")
    pluginmanager.register(costs, "costs-of-tests")
    pluginmanager.register(leftovers, "leftovers-of-tests")


hypothesis.settings.register_profile("tests", deadline=None)  # a busy machine stalls for longer than an example takes
hypothesis.settings.load_profile("tests")
ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
POSTGRES_BIN = Path("/usr/lib/postgresql/15/bin")
SERVERS = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT") or "/tmp")
"""Where their files lie. PostgreSQL's own user can reach it; in memory a database is copied in an eighth of the
time."""
for setting in [one for one in os.environ if one == "MIQA_CONFIG" or (one.startswith("MIQA_") and "__" in one)]:
    del os.environ[setting]  # who follows the README has exported one, of a node that tests have nothing to do with
os.environ["MIQA_RETENTION__ENABLED"] = "false"  # else new nodes remove originals if this machine's disk is nearly full
os.environ["MIQA_POLICY__LEARN_IMAGES"] = "0"  # else new nodes hold soft findings; tests of rooms say another number
PORTS = (11_000, 32_000)
"""Above those that Chromium refuses to open."""
MOST_WORKERS = 16
KINDS_OF_DATABASE = ("sqlite", pytest.param("postgresql", marks=pytest.mark.peers))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Commands and nodes set logging up, on a stream that ends with the test: put it back for the next one."""
    root, queue = logging.getLogger(), logging.getLogger("dbos")
    before = root.handlers[:], root.level, threading.excepthook, structlog.get_config(), queue.handlers[:]
    yield
    root.handlers, threading.excepthook, queue.handlers = before[0], before[2], before[4]
    root.setLevel(before[1])
    structlog.configure(**before[3])


@pytest.fixture(autouse=True)
def alerts_of_its_own() -> Iterator[None]:
    """What a node was to write into its audit log, and did not before it ended, is not written by the next one."""
    yield
    ALERTS.take()


@pytest.fixture(scope="session", autouse=True)
def migrate_from_nothing() -> Iterator[Callable[[Database], None]]:
    """A new SQLite database starts as a copy of a migrated one, which saves half a second; the value does not."""
    migrate, copying = Database.migrate, threading.Lock()
    template = migrated_file(ROOT / ".cache" / "migrated", migrate)

    def copy_and_migrate(database: Database) -> None:
        path = Path(database.engine.url.database or "") if database.is_sqlite else None
        with copying:
            if path and not (path.exists() and path.stat().st_size):
                shutil.copyfile(template, path)
        migrate(database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "migrate", copy_and_migrate)
        yield migrate


@pytest.fixture(scope="session", autouse=True)
def clients_are_patient() -> None:
    """A client that a test plays waits as long as a busy machine takes; the node's own clients have their settings."""
    usual: httpx2.Timeout = signature(httpx2.get).parameters["timeout"].default
    usual.connect = usual.read = usual.write = usual.pool = LIMIT_S


@pytest.fixture(scope="session", autouse=True)
def authorities_are_read_once() -> Iterator[None]:
    """A client with the system's certificates reads them in thirty milliseconds; most tests need a few clients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        yield


@pytest.fixture
def folders_of_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """All folders of objects, as outside of tests, for what is counted."""
    monkeypatch.setattr(disk, "SHARDS", SHARDS)


@pytest.fixture(scope="session", autouse=True)
def stores_are_small() -> Iterator[None]:
    """Objects get the folders that they need: to make 256, and to remove them, takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "SHARDS", 0)
        yield


@pytest.fixture(scope="session", autouse=True)
def routes_are_analysed_once() -> Iterator[None]:
    """FastAPI analyses all routes of a new application at its first request, which takes longer than most tests:
    applications share the routes of a page.
    """
    routes = sys.modules.get("miqa_node.interfaces.web.routes")
    if routes is None:  # it loads for a second, and no test needs it
        yield
        return
    memory: dict[int, tuple[Page, list[BaseRoute]]] = {}
    analyse = routes.add_page

    def add_page(app: FastAPI, page: Page) -> None:
        if id(page) not in memory:
            before = len(app.routes)
            analyse(app, page)
            memory[id(page)] = page, app.routes[before:]  # the page stays, so that no other gets its number
        else:
            app.routes.extend(memory[id(page)][1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "add_page", add_page)
        yield


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Worker processes with the shipped settings."""
    with WorkerPool(load_settings()) as pool:
        yield pool


def _own_ports() -> Iterator[int]:
    """Ports that no other worker of this run takes, each of them once in some 1,300, in an order of this process's own.

    They lie below those that Linux gives to whoever connects or asks for any, or one of them would take it before its
    use now and then.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = [*range(PORTS[0] + worker % MOST_WORKERS, PORTS[1], MOST_WORKERS)]
    SystemRandom().shuffle(ports)
    return cycle(ports)


_PORTS = _own_ports()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, and that no other test gets."""
    for port in _PORTS:
        with socket.socket() as listener, suppress(OSError):  # taken
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("ports never end")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, once for a file: its loop is that of the thread, so that no test beside may run one there."""
    from tests.web.browsing import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def samples() -> Path:
    """Folder of the real DICOM files of the package pydicom-data; RG1_UNCR.dcm is a chest radiograph."""
    return Path(str(files("data_store") / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The project's shared data folder; skips where it is not there."""
    data = SHARED / "data"
    if not data.is_dir():
        pytest.skip("the shared data folder is not beside the checkout")
    return data


class PostgresServer:
    """A real PostgreSQL server that can be stopped, killed and started again; skips where there is none."""

    def __init__(self, **parameters: object) -> None:
        """``parameters`` are those of the server, such as ``max_connections``."""
        if not (POSTGRES_BIN / "postgres").exists():
            pytest.skip("postgresql is not installed")
        if shutil.which("runuser") is None:
            pytest.skip("runuser is not there to start PostgreSQL as its own user")
        self._folder, self.port = SERVERS / f"miqa-pg-{uuid4().hex}", free_port()  # killed runs leave theirs
        self._parameters = [word for name, value in parameters.items() for word in ("-c", f"{name}={value}")]
        self._as_postgres = ["runuser", "-u", "postgres", "--"]
        initdb = [*self._as_postgres, str(POSTGRES_BIN / "initdb"), "-D", str(self._folder), "-A", "trust"]
        subprocess.run(initdb, check=True, capture_output=True)
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers. After a kill the old server's children may refuse that for a moment."""
        self._process = self._launch()
        wait_until(self._is_up, what="PostgreSQL starts")

    def _is_up(self) -> bool:
        if _answers(self.url):
            return True
        if self._process.poll() is not None:
            self._process = self._launch()
        return False

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [*self._as_postgres, str(POSTGRES_BIN / "postgres"), "-D", str(self._folder), "-p", str(self.port)]
        return subprocess.Popen(
            [*command, "-k", str(self._folder), "-h", "127.0.0.1", *self._parameters],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @contextmanager
    def standby(self) -> Iterator[PostgresServer]:
        """A copy that follows this server, which from now on waits for it with each commit."""
        other = PostgresServer()
        shutil.rmtree(other._folder)
        copy = [str(POSTGRES_BIN / "pg_basebackup"), "-d", self.url, "-D", str(other._folder), "-R", "-X", "stream"]
        subprocess.run([*self._as_postgres, *copy], check=True, capture_output=True)
        with other:
            self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            self.execute("SELECT pg_reload_conf()")
            yield other

    def promote(self) -> None:
        """Make this standby the server that takes changes."""
        self.execute("SELECT pg_promote()")

    def file_of(self, table: str) -> Path:
        """The file of a table, written to the disk."""
        self.execute("CHECKPOINT")
        with psycopg.connect(self.url) as connection:
            find = "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname = %s AND relkind = 'r'"
            [(path,)] = connection.execute(find, (table,)).fetchall()
        return self._folder / str(path)

    def execute(self, statement: LiteralString) -> None:
        """Run one statement outside of a transaction."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def stop(self, *, kill: bool = False) -> None:
        """Stop it at once, as an administrator does, or kill it, as the kernel does when memory runs out."""
        postmaster = int((self._folder / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL if kill else signal.SIGINT)
        self._process.wait(timeout=60)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=LIMIT_S)
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a real PostgreSQL server of this test run; skips where Debian's postgresql is not installed."""
    with PostgresServer(fsync="off") as server:  # its files end with the run
        yield server.url


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """URL of an empty database of its own."""
    with postgres_database(postgres) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> Iterator[str]:
    """Name of a PostgreSQL database that went through all migrations, for others to start as copies of it."""
    with postgres_database(postgres) as url:
        database = Database(url, pool_size=1)
        database.migrate()
        database.close()
        yield url.rsplit("/", 1)[1]


@contextmanager
def postgres_database(server: str, template: str = "template1") -> Iterator[str]:
    """URL of a database that is a copy of ``template`` and is dropped at the end."""
    name = f"t{free_port()}_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        yield f"{server.rsplit('/', 1)[0]}/{name}"
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(params=KINDS_OF_DATABASE)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database: SQLite, and PostgreSQL where it is installed."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'miqa.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=KINDS_OF_DATABASE)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated database: SQLite, and PostgreSQL where it is installed."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path / 'miqa.sqlite'}"
        if request.param == "postgresql":
            server, template = (request.getfixturevalue(name) for name in ("postgres", "migrated_postgres"))
            url = stack.enter_context(postgres_database(server, template))
        database = Database(url, pool_size=4)
        stack.callback(database.close)
        database.migrate()
        yield database


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real S3 server of this test run."""
    from moto.server import ThreadedMotoServer  # loaded where a bucket is asked for

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket_url(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket of its own; the environment says how to reach it."""
    variables = {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "REGION": "us-east-1", "ENDPOINT": s3_endpoint}
    for name, value in {**variables, "ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    import boto3

    bucket = f"miqa-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}"
    boto3.client("s3", endpoint_url=s3_endpoint, region_name="us-east-1").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/node"


def _answers(url: str) -> bool:
    with suppress(psycopg.OperationalError):  # it listens before it is ready
        psycopg.connect(url).close()
        return True
    return False
