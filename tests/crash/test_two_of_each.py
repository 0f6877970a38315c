"""Two receivers and two workers on one PostgreSQL, killed while they work: an image that comes twice is one image, and
no exposure that repeats another is missed."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless
from pynetdicom import AE

from miqa_node.errors import MiqaError
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_selftest.encodings import ENCODINGS, encoded
from miqa_selftest.launch import NodeProcess
from tests.conftest import free_port
from tests.crash.station import LIMIT_S, Pacs
from tests.sending import exposure
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.peers,
    pytest.mark.timeout(900),
    # pynetdicom leaves the socket of a refused connection to the garbage collector.
    pytest.mark.filterwarnings(
        "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]

SYNTAXES = (ExplicitVRLittleEndian, JPEGLSLossless)
BY_SYNTAX = {one.syntax: one for one in ENCODINGS}
IMAGES, PAIRS = 16, 24
KILLS = 6
SEED = 20260103


class Site:
    """The four processes; each may be killed, and is then started again."""

    def __init__(self, folder: Path, database_url: str, pacs: Pacs, stack: ExitStack) -> None:
        self.database = Database(database_url, pool_size=2)
        self.database.migrate()
        stack.callback(self.database.close)
        self._folder, self._url, self._pacs, self._stack = folder / "node", database_url, pacs, stack
        self.ports = [free_port() for _ in range(2)]
        self._processes = {(role, number): self._start(role, number) for role in ROLES for number in range(2)}

    def _start(self, role: str, number: int) -> NodeProcess:
        environment = {
            "MIQA_STORE__DATABASE_URL": self._url,
            "MIQA_DICOM__HOST": "127.0.0.1",
            "MIQA_NODE__NAME": f"{role}-{number}",
            "MIQA_WORK__PROCESSES": "1",
        }
        port = self.ports[number] if role == "receive" else free_port()
        destination = f"PACS=PACS@127.0.0.1:{self._pacs.port}"
        process = NodeProcess(self._folder, "MIQA", port, free_port(), destination, role=role, environment=environment)
        return self._stack.enter_context(process)

    def kill(self, role: str, number: int) -> None:
        """kill -9, and start again on the same data."""
        process = self._processes[role, number]
        os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not process.running(), LIMIT_S, "the killed process is gone")

        def restarted() -> NodeProcess | None:
            try:
                return self._start(role, number)
            except MiqaError:  # the name is in use until the last child of the killed process is gone
                return None

        follower = wait_until(restarted, LIMIT_S, "the process starts again")
        assert follower is not None
        self._processes[role, number] = follower

    def count(self, *conditions: sa.ColumnElement[bool]) -> int:
        with self.database.begin() as transaction:
            return transaction.execute(sa.select(sa.func.count()).where(*conditions)).scalar_one()

    def rows(self, table: sa.Table) -> int:
        return self.count(table.c.digest.is_not(None))

    def is_done(self, images: int) -> bool:
        """Whether all images have their verdict and their report, and nothing waits."""
        undecided = ~sa.exists().where(t.dispositions.c.digest == t.instances.c.digest)
        waiting = self.count(t.instances.c.digest.is_not(None), undecided)
        return waiting == 0 and self.rows(t.instances) >= images and len(self._pacs.reports) >= images


ROLES = ("receive", "work")


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.close()
    gc.collect()


@pytest.fixture
def site(tmp_path: Path, postgres_url: str, pacs: Pacs) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, postgres_url, pacs, stack)


def send(port: int, path: Path) -> None:
    """Until it is taken, as a modality does."""
    ds = pydicom.dcmread(path)

    def is_taken() -> bool:
        ae = AE("SCANNER")
        ae.add_requested_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
        ae.acse_timeout = ae.connection_timeout = ae.dimse_timeout = 20
        association = ae.associate("127.0.0.1", port)
        if not association.is_established:
            return False
        try:
            return getattr(association.send_c_store(ds), "Status", None) == 0x0000
        except (RuntimeError, ValueError):  # the receiver was killed
            return False
        finally:
            if association.is_established:
                association.release()

    wait_until(is_taken, LIMIT_S, "a receiver takes the image")


def send_at_once(site: Site, pairs: Sequence[tuple[Path, Path]]) -> None:
    """The two of each pair on two associations with two receivers, while processes are killed."""
    at_once, done = threading.Barrier(2), threading.Event()

    def deliver(which: int) -> None:
        for pair in pairs:
            at_once.wait(LIMIT_S)
            send(site.ports[which], pair[which])

    def kill() -> int:
        chance, kills = random.Random(SEED), 0
        while kills < KILLS and not done.wait(chance.uniform(0.0, 1.0)):
            site.kill(ROLES[kills % 2], chance.randrange(2))
            kills += 1
        return kills

    with ThreadPoolExecutor(3) as threads:
        senders = [threads.submit(deliver, which) for which in range(2)]
        killer = threads.submit(kill)
        try:
            for sender in senders:
                sender.result()
        finally:
            done.set()
        assert killer.result() > 0


def test_an_image_that_modality_and_router_send_is_one(site: Site, pacs: Pacs, samples: Path, tmp_path: Path) -> None:
    pairs = []
    for number in range(IMAGES):
        ds = exposure(samples, number)
        paths: list[Path] = []
        for syntax in SYNTAXES if number % 2 else SYNTAXES[::-1]:
            paths.append(tmp_path / f"{number}-{len(paths)}.dcm")
            paths[-1].write_bytes(encoded(ds, BY_SYNTAX[syntax]))
        pairs.append((paths[0], paths[1]))
    send_at_once(site, pairs)
    for number, role in enumerate(ROLES):
        site.kill(role, number)
    wait_until(lambda: site.rows(t.instances) == IMAGES and site.is_done(IMAGES), LIMIT_S, "each is one image")
    assert site.rows(t.copies) == IMAGES
    assert site.rows(t.acquisitions) == IMAGES
    assert site.count(t.instances.c.conflicting) == 0
    assert site.count(t.patient_conflicts.c.study_instance_uid.is_not(None)) == 0
    assert sorted(map(len, pacs.reports.values())) == [1] * IMAGES


@pytest.mark.long
def test_every_exposure_that_repeats_another_is_found(site: Site, samples: Path, tmp_path: Path) -> None:
    pairs: list[Any] = []
    for number in range(PAIRS):
        paths: list[Path] = []
        for minute in (10, 14):
            time = f"08{minute}00"
            elements = {"AcquisitionTime": time, "ContentTime": time, "AcquisitionDate": "20260110"}
            ds = exposure(samples, 1000 * minute + number, **elements, PatientID=f"R{number}")
            paths.append(tmp_path / f"{number}-{minute}.dcm")
            paths[-1].write_bytes(encoded(ds, BY_SYNTAX[ExplicitVRLittleEndian]))
        pairs.append(tuple(paths))
    send_at_once(site, pairs)
    wait_until(lambda: site.is_done(2 * PAIRS), LIMIT_S, "all are judged")
    assert site.rows(t.acquisitions) == 2 * PAIRS
    assert site.count(t.acquisitions.c.repeated) == PAIRS
