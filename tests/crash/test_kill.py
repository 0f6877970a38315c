"""kill -9 under load: what was answered with 0x0000 has exactly one SR at the PACS and one event at the webhook.

A real node in a child process, a real SCU that keeps sending, a real SCP and a real HTTP server that outlive the node.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import Comprehensive3DSRStorage, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt

from tests.conftest import free_port
from tests.unit.deliver.receiver import Receiver, receiver, secret_file

KILLS = 20
SEED = 20260102
LIMIT_S = 240.0


class Pacs:
    """A storage SCP that remembers every object it was sent, and how often."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.times = Counter[str]()
        self.changed: list[str] = []
        self.reports: dict[str, set[str]] = {}
        ae = AE("PACS")
        ae.supported_contexts = AllStoragePresentationContexts
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        assert server is not None
        self._server = server
        self.port: int = self._server.server_address[1]

    def _store(self, event: Any) -> int:
        uid, data = event.request.AffectedSOPInstanceUID, event.request.DataSet.getvalue()
        self.times[uid] += 1
        if self.files.setdefault(uid, data) != data:
            self.changed.append(uid)
        if event.request.AffectedSOPClassUID == Comprehensive3DSRStorage:
            ds = event.dataset
            evidence = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
            source = evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            self.reports.setdefault(source, set()).add(uid)
        return 0x0000

    def close(self) -> None:
        self._server.shutdown()


class Node:
    """The node as a child process that can be killed and started again on the same data."""

    def __init__(self, folder: Path, pacs_port: int) -> None:
        self.dicom_port = free_port()
        self._log = (folder / "node.log").open("ab")
        self._command = [
            *(str(Path(sys.executable).with_name("miqa-node")), "run", "--data-dir", str(folder / "data")),
            *("--dicom-port", str(self.dicom_port), "--web-port", str(free_port())),
            *("--destination", f"PACS=PACS@127.0.0.1:{pacs_port}"),
        ]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log, env=dict(os.environ))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)
        self._log.close()


class Scanner(threading.Thread):
    """Sends small radiographs for ever, each until it is answered with 0x0000."""

    def __init__(self, port: int, template: pydicom.Dataset) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._template = template
        self._stopping = threading.Event()
        self.answered: list[str] = []

    def run(self) -> None:
        while not self._stopping.is_set():
            ae = AE("SCANNER")
            ae.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
            ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = 5
            association = ae.associate("127.0.0.1", self._port)
            if not association.is_established:
                time.sleep(0.05)
                continue
            while association.is_established and not self._stopping.is_set():
                self._send(association)
            if association.is_established:
                association.release()

    def _send(self, association: Any) -> None:
        ds = self._template
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.PixelData = np.random.default_rng(len(self.answered)).integers(0, 4096, (128, 128), np.uint16).tobytes()
        while not self._stopping.is_set():  # the same object again until it is taken, as a scanner does
            try:
                status = association.send_c_store(ds)
            except (RuntimeError, ValueError):
                return
            if getattr(status, "Status", None) == 0x0000:
                self.answered.append(ds.SOPInstanceUID)
                time.sleep(0.02)
                return
            if not association.is_established:
                return

    def stop(self) -> None:
        self._stopping.set()
        self.join()


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    pacs = Pacs()
    yield pacs
    pacs.close()
    gc.collect()  # the sockets of refused connections go here, and not in the middle of another test


@pytest.fixture
def told() -> Iterator[Receiver]:
    with receiver() as told:
        yield told


# pynetdicom leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_twenty_times_at_random_instants(tmp_path: Path, samples: Path, pacs: Pacs, told: Receiver) -> None:
    template = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    template.Rows = template.Columns = 128
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "destinations.toml").write_text(
        f'[[destination]]\nname = "log"\nkind = "webhook"\nurl = "{told.url}"\nevents = ["image.assessed"]\n'
        f'secret_file = "{secret_file(tmp_path)}"\n'
    )
    node = Node(tmp_path, pacs.port)
    scanner = Scanner(node.dicom_port, template)
    scanner.start()
    chance = random.Random(SEED)
    for _ in range(KILLS):
        before = len(scanner.answered)
        _wait_until(lambda before=before: len(scanner.answered) > before, "the node takes images again")
        time.sleep(chance.uniform(0.0, 1.5))
        node.kill()
        node.start()
    _wait_until(lambda: len(scanner.answered) > 50, "the load is worth its name")
    scanner.stop()
    answered = set(scanner.answered)
    _wait_until(lambda: answered <= set(pacs.reports), "every answered image has its report")
    _wait_until(lambda: answered <= set(events_about(told)), "every answered image has its event")
    time.sleep(2.0)
    node.close()
    print(
        json.dumps(
            {
                "kills": KILLS,
                "answered": len(answered),
                "reports": sum(len(pacs.reports[uid]) for uid in answered),
                "sent_again": sum(count - 1 for count in pacs.times.values()),
                "events": sum(len(events_about(told)[uid]) for uid in answered),
                "events_sent_again": len(told.taken) - len(dict(told.taken)),
            }
        )
    )
    assert {uid: len(pacs.reports[uid]) for uid in answered} == dict.fromkeys(answered, 1)
    assert pacs.changed == [], "an object was sent again with other content"
    assert {uid: len(events_about(told)[uid]) for uid in answered} == dict.fromkeys(answered, 1)
    assert len(set(told.taken)) == len(dict(told.taken)), "an event was sent again with other content"


def events_about(told: Receiver) -> dict[str, set[str]]:
    """Identifiers of the events by the image that they are about."""
    found: dict[str, set[str]] = {}
    for event in told.events:
        found.setdefault(event["data"]["image"]["sop_instance_uid"], set()).add(event["id"])
    return found


def _wait_until(condition: Any, what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {LIMIT_S:.0f} s: {what}"
        time.sleep(0.02)
