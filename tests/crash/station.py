"""A node as a process of its own, with a scanner before it and a PACS behind it, both of which outlive it."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pydicom
from pydicom.uid import Comprehensive3DSRStorage, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt

from miqa_node.stages.receive.contexts import VERIFICATION
from tests.conftest import free_port
from tests.crash.readiness import ReadinessWatch
from tests.stages.deliver.receiver import Receiver, secret_file
from tests.waiting import delay, wait_until

PROGRAM = (str(Path(sys.executable).with_name("miqa-node")),)
LIMIT_S = 240.0
"""Of whatever is waited for, on a machine that is busy with other things."""
PAUSE_S = 0.02
"""Of the scanner between two images."""
TAKEN = (0x0000, 0xB000)
"""Success, and the warning that data elements were coerced (PS3.4 B.2.3)."""
IMAGES_PER_STUDY = 8
SIDE = 128
CHEST_SHRUNK = 2
"""Shrunk further, it is unsharp to the model, and flagged."""
CHEST_PITCH_MM = 0.2

Pixels = Callable[[int], bytes]
"""Pixel Data of the image with this number; no two are alike."""


def noise(samples: Path) -> tuple[pydicom.Dataset, Pixels]:
    """Small images of nothing but noise: measured and rejected, without the model. For many images in a short time."""
    image = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    image.Rows = image.Columns = SIDE
    return image, lambda number: np.random.default_rng(number).integers(0, 4096, (SIDE, SIDE), np.uint16).tobytes()


def chests(samples: Path) -> tuple[pydicom.Dataset, Pixels]:
    """A small chest radiograph that the model judges and accepts, with other noise each time."""
    image = pydicom.dcmread(samples / "RG1_UNCR.dcm")
    rows, columns = image.Rows // CHEST_SHRUNK, image.Columns // CHEST_SHRUNK
    whole = image.pixel_array[: rows * CHEST_SHRUNK, : columns * CHEST_SHRUNK]
    small = whole.reshape(rows, CHEST_SHRUNK, columns, CHEST_SHRUNK).mean((1, 3)).astype(np.int32)
    image.Rows, image.Columns = small.shape
    image.ImagerPixelSpacing = image.PixelSpacing = [CHEST_PITCH_MM * CHEST_SHRUNK] * 2

    def pixels(number: int) -> bytes:
        grain = np.random.default_rng(number).integers(-1, 2, small.shape)
        return bytes(np.clip(small + grain, 0, 2**image.BitsStored - 1).astype("<u2").tobytes())

    return image, pixels


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
        ae.supported_contexts = [*AllStoragePresentationContexts, build_context(VERIFICATION)]
        server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        assert server is not None
        self._server = server
        self.port: int = self._server.server_address[1]

    def _store(self, event: Any) -> int:
        if (status := self.answer()) not in TAKEN:
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
        return status

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._server.shutdown()
            for association in self._server.active_associations:  # the server leaves them open
                association.abort()


class Node:
    """The node as one child process, or as one of each role, that can be killed and started again on the same data.

    A second process of a role is called ``work-2``.
    """

    def __init__(
        self,
        folder: Path,
        pacs_port: int,
        environment: Mapping[str, str] | None = None,
        roles: Sequence[str] = ("all",),
        program: Sequence[str] = (),
    ) -> None:
        """``program`` is that of an installation, which gets no setting of the tests': its version may not know it."""
        self.dicom_port, self.web_port, self.health_port = free_port(), free_port(), free_port()
        self.roles = tuple(roles)
        inherited = {name: value for name, value in os.environ.items() if not (program and name.startswith("MIQA_"))}
        self._environment = {**inherited, **(environment or {})}
        self._log = (folder / "node.log").open("ab")
        self._command = [
            *(*(program or PROGRAM), "run", "--data-dir", str(folder / "data")),
            *("--dicom-port", str(self.dicom_port), "--destination", f"PACS=PACS@127.0.0.1:{pacs_port}"),
        ]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for role in self.roles:
            self.start(role)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The only process, or the one that judges."""
        return self._processes.get("work") or self._processes[self.roles[0]]

    def start(self, role: str = "") -> None:
        role = role or self.roles[0]
        web_port = self.web_port if role in {"all", "web"} else 0
        health_port = self.health_port if role in {"all", "work"} else 0
        command = [*self._command, "--role", role.partition("-")[0], "--web-port", str(web_port)]
        environment = self._environment | {"MIQA_WEB__HEALTH_PORT": str(health_port)}
        if len(self.roles) > 1:
            environment["MIQA_NODE__NAME"] = role
        self._processes[role] = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=environment)

    def kill(self, role: str = "") -> None:
        process = self._processes[role or self.roles[0]]
        process.send_signal(signal.SIGKILL)
        process.wait()

    @contextmanager
    def paused(self, role: str) -> Iterator[None]:
        """The process and its children do nothing for a while, as when a virtual machine is moved."""
        parent = psutil.Process(self._processes[role].pid)
        stopped = [parent, *parent.children(recursive=True)]
        for one in stopped:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        try:
            yield
        finally:
            for one in stopped:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

    def lose(self, role: str) -> None:
        """Kill a process with all its children, as when its machine is gone; it never starts again."""
        children = psutil.Process(self._processes[role].pid).children(recursive=True)
        self.kill(role)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()

    def children(self) -> list[psutil.Process]:
        """Fork servers, decoding processes and whatever else the node started."""
        processes: list[psutil.Process] = []
        for process in self._processes.values():
            with suppress(psutil.NoSuchProcess):
                processes += psutil.Process(process.pid).children(recursive=True)
        return processes

    def is_ready(self) -> bool:
        """What the process that judges says of itself."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def close(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(timeout=LIMIT_S)
        self._log.close()


class Scanner:
    """Sends small radiographs for ever, on one or several associations, each until it is answered with 0x0000."""

    def __init__(self, port: int, template: pydicom.Dataset, pixels: Pixels, associations: int = 1) -> None:
        self._threads = [threading.Thread(target=self.run, daemon=True) for _ in range(associations)]
        self._making = threading.Lock()
        self._made = 0
        self.port = port
        self._template = template
        self._pixels = pixels
        self._stopping = threading.Event()
        self.pause_s = PAUSE_S
        """Between two images."""
        self.may_send: Callable[[], bool] = lambda: True
        """Asked before each image; a modality is slower than the node in the long run, a campaign of hours too."""
        self.patience_s = 5.0
        """How long it waits for an answer."""
        self.held = False
        """Nothing is sent while this is set."""
        self.answered: list[str] = []
        self.refused = Counter[int]()
        """Other answers, by status."""

    def run(self) -> None:
        while not self._stopping.is_set():
            ae = AE("SCANNER")
            ae.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
            ae.acse_timeout = ae.connection_timeout = 5
            ae.dimse_timeout = self.patience_s
            association = ae.associate("127.0.0.1", self.port)
            if not association.is_established:
                delay(0.05)
                continue
            while association.is_established and not self._stopping.is_set():
                if not self.held and self.may_send():
                    self._send(association)
                else:
                    delay(PAUSE_S)
            if association.is_established:
                association.release()

    def _send(self, association: Any) -> None:
        ds = self._next()
        while not self._stopping.is_set():  # the same object again until it is taken, as a scanner does
            try:
                status = association.send_c_store(ds)
            except (RuntimeError, ValueError):
                return
            if getattr(status, "Status", None) == 0x0000:
                self.answered.append(ds.SOPInstanceUID)
                delay(self.pause_s)
                return
            if "Status" in status:
                self.refused[int(status.Status)] += 1
                delay(0.2)
            if not association.is_established:
                return

    def _next(self) -> pydicom.Dataset:
        """An object that no other association sends."""
        with self._making:
            if self._made % IMAGES_PER_STUDY == 0:
                self._template.StudyInstanceUID, self._template.SeriesInstanceUID = generate_uid(), generate_uid()
            ds, number = copy.deepcopy(self._template), self._made
            self._made += 1
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.PixelData = self._pixels(number)
        return ds

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


class Station:
    """A node between scanner and PACS, with a webhook; what was answered and what came out of it is compared."""

    def __init__(
        self,
        folder: Path,
        samples: Path,
        webhook: Receiver,
        environment: Mapping[str, str] | None = None,
        images: Callable[[Path], tuple[pydicom.Dataset, Pixels]] = noise,
        roles: Sequence[str] = ("all",),
        associations: int = 1,
    ) -> None:
        """``samples`` is the folder of the package pydicom-data; ``images`` makes what the scanner sends."""
        self.folder = folder
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "destinations.toml").write_text(
            f'[[destination]]\nname = "log"\nkind = "webhook"\nurl = "{webhook.url}"\nevents = ["image.assessed"]\n'
            f'secret_file = "{secret_file(folder)}"\n'
        )
        self.told, self.pacs = webhook, Pacs()
        self.node = Node(folder, self.pacs.port, environment, roles)
        self.scanner = Scanner(self.node.dicom_port, *images(samples), associations)
        self.scanner.start()
        self.readiness = ReadinessWatch(self.node.is_ready)
        STATIONS.append(self)

    def waiting(self) -> int:
        """Images that were answered and have no report yet."""
        return len(self.scanner.answered) - len(self.pacs.reports)

    def limit_backlog(self, images: int) -> None:
        """From now on let at most so many images wait for their verdict: a modality is slower than the node in the
        long run, and what waits before an image is no part of its recovery."""
        self.scanner.may_send = lambda: len(self.scanner.answered) - len(self.told.taken) < images

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
        self.readiness.stop()
        self.scanner.stop()
        self.node.close()
        self.pacs.close()

    def finish(self) -> dict[str, Any]:
        """Stop sending, wait for everything that was promised, stop the node, and count."""
        self.scanner.stop()
        answered = set(self.scanner.answered)
        wait_while_less(lambda: len(answered - set(self.pacs.reports)), "every answered image has its report")
        wait_while_less(lambda: len(answered - set(events_about(self.told))), "every answered image has its event")
        delay(2.0)  # what comes twice would come now
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


def wait_while_less(missing: Callable[[], int], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait until nothing is missing, however long that takes, unless for the limit nothing has got less."""
    least, since = missing(), time.monotonic()
    while remainder := missing():
        if remainder < least:
            least, since = remainder, time.monotonic()
        assert time.monotonic() - since < limit_s, f"for {limit_s:.0f} s it did not go on ({remainder} missing): {what}"
        delay(0.2)


STATIONS: list[Station] = []
"""Whatever was started; it can be closed more than once."""
SOUND = {"lost": 0, "doubled": 0, "changed": 0, "not_assessed_by_a_fault": 0}
"""Of what :meth:`Station.finish` counts, what must be so after any fault."""


def _by_a_fault(event: dict[str, Any]) -> bool:
    """Whether an image was given up, which none that the scanner sends deserves."""
    reasons = str(event["data"]["image"].get("reasons", ""))
    return "never finished" in reasons or "decod" in reasons


def events_about(webhook: Receiver) -> dict[str, set[str]]:
    """Identifiers of the events by the image that they are about."""
    events: dict[str, set[str]] = {}
    for event in webhook.events:
        events.setdefault(event["data"]["image"]["sop_instance_uid"], set()).add(event["id"])
    return events
