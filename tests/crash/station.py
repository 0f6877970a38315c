"""A node as a process of its own, with a scanner before it and a PACS behind it, both of which outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pydicom
from pydicom.uid import Comprehensive3DSRStorage, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt

from tests.conftest import free_port
from tests.unit.deliver.receiver import Receiver, secret_file
from tests.waiting import wait_until

LIMIT_S = 240.0
"""Of whatever is waited for, on a machine that is busy with other things."""
PAUSE_S = 0.02
"""Of the scanner between two images."""


class Pacs:
    """A storage SCP that remembers every object it was sent, and how often."""

    def __init__(self, port: int = 0) -> None:
        self._closed = False
        self.files: dict[str, bytes] = {}
        self.times = Counter[str]()
        self.changed: list[str] = []
        self.reports: dict[str, set[str]] = {}
        self.answer: Callable[[], int] = lambda: 0x0000
        """Status of each C-STORE; it may take its time, or end the association by raising."""
        ae = AE("PACS")
        ae.supported_contexts = AllStoragePresentationContexts
        server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        assert server is not None
        self._server = server
        self.port: int = self._server.server_address[1]

    def _store(self, event: Any) -> int:
        if status := self.answer():
            return status
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
        if not self._closed:
            self._closed = True
            self._server.shutdown()


class Node:
    """The node as a child process that can be killed and started again on the same data."""

    def __init__(self, folder: Path, pacs_port: int, environment: Mapping[str, str] | None = None) -> None:
        self.dicom_port, self.web_port = free_port(), free_port()
        self._environment = {**os.environ, **(environment or {})}
        self._log = (folder / "node.log").open("ab")
        self._command = [
            *(str(Path(sys.executable).with_name("miqa-node")), "run", "--data-dir", str(folder / "data")),
            *("--dicom-port", str(self.dicom_port), "--web-port", str(self.web_port)),
            *("--destination", f"PACS=PACS@127.0.0.1:{pacs_port}"),
        ]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log, env=self._environment)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def children(self) -> list[psutil.Process]:
        """Fork server, decoding processes and whatever else the node started."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

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
        self.pause_s = PAUSE_S
        """Between two images."""
        self.answered: list[str] = []
        self.refused = Counter[int]()
        """Other answers, by status."""

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
                time.sleep(self.pause_s)
                return
            if "Status" in status:
                self.refused[int(status.Status)] += 1
                time.sleep(0.2)
            if not association.is_established:
                return

    def stop(self) -> None:
        self._stopping.set()
        self.join()


class Station:
    """A node between scanner and PACS, with a webhook; what was answered and what came out of it is compared."""

    def __init__(
        self, folder: Path, template: Path, told: Receiver, environment: Mapping[str, str] | None = None
    ) -> None:
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "destinations.toml").write_text(
            f'[[destination]]\nname = "log"\nkind = "webhook"\nurl = "{told.url}"\nevents = ["image.assessed"]\n'
            f'secret_file = "{secret_file(folder)}"\n'
        )
        self.told, self.pacs = told, Pacs()
        self.node = Node(folder, self.pacs.port, environment)
        image = pydicom.dcmread(template)
        image.Rows = image.Columns = 128
        self.scanner = Scanner(self.node.dicom_port, image)
        self.scanner.start()
        STATIONS.append(self)

    def next_report_s(self, limit_s: float = LIMIT_S) -> float:
        """Seconds until an image that is taken from now on has its report at the PACS."""
        started = time.monotonic()
        uid = self.next_answer(limit_s)
        self.scanner.pause_s = 1.0  # what waits before it is not part of the recovery
        wait_until(lambda: uid in self.pacs.reports, limit_s, "a fresh image has its report")
        self.scanner.pause_s = PAUSE_S
        return time.monotonic() - started

    def next_answer(self, limit_s: float = LIMIT_S) -> str:
        """The next image that is taken, by its SOP Instance UID."""
        before = len(self.scanner.answered)
        wait_until(lambda: len(self.scanner.answered) > before, limit_s, "the node takes images")
        return self.scanner.answered[before]

    def close(self) -> None:
        """Stop all of it; again, if that was done."""
        self.scanner.stop()
        self.node.close()
        self.pacs.close()

    def finish(self) -> dict[str, Any]:
        """Stop sending, wait for everything that was promised, stop the node, and count."""
        self.scanner.stop()
        answered = set(self.scanner.answered)
        wait_until(lambda: answered <= set(self.pacs.reports), LIMIT_S, "every answered image has its report")
        wait_until(lambda: answered <= set(events_about(self.told)), LIMIT_S, "every answered image has its event")
        time.sleep(2.0)
        self.close()
        events = events_about(self.told)
        return {
            "answered": len(answered),
            "refused": {f"{status:04X}": count for status, count in self.scanner.refused.items()},
            "lost": len(answered - set(self.pacs.reports)) + len(answered - set(events)),
            "doubled": sum(len(self.pacs.reports[uid]) > 1 for uid in answered)
            + sum(len(events[uid]) > 1 for uid in answered),
            "changed": len(self.pacs.changed) + len(set(self.told.taken)) - len(dict(self.told.taken)),
            "not_assessed_by_a_fault": sum(_by_a_fault(event) for event in self.told.events),
            "sent_again": sum(count - 1 for count in self.pacs.times.values()),
        }


STATIONS: list[Station] = []
"""Whatever was started; it can be closed more than once."""
SOUND = {"lost": 0, "doubled": 0, "changed": 0, "not_assessed_by_a_fault": 0}
"""Of what :meth:`Station.finish` counts, what must be so after any fault."""


def _by_a_fault(event: dict[str, Any]) -> bool:
    """Whether an image was given up, which none that the scanner sends deserves."""
    reasons = str(event["data"]["image"].get("reasons", ""))
    return "never finished" in reasons or "decod" in reasons


def events_about(told: Receiver) -> dict[str, set[str]]:
    """Identifiers of the events by the image that they are about."""
    found: dict[str, set[str]] = {}
    for event in told.events:
        found.setdefault(event["data"]["image"]["sop_instance_uid"], set()).add(event["id"])
    return found
