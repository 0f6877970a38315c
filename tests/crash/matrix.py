"""Damages a running node's objects, and writes down what each of its parts then says and does.

``make matrix`` puts what was seen into docs/explanation/reliability.md; the tests compare it with that page.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from copy import deepcopy
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pydicom
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from miqa_node.interfaces.cli.app import run
from tests.conftest import ROOT, free_port
from tests.crash.station import LIMIT_S, Node, Pacs, noise
from tests.stages.receive.test_asked_commitment import Modality
from tests.waiting import wait_until

PAGE = ROOT / "docs/explanation/reliability.md"
WRITING = os.environ.get("MATRIX") == "write"
"""As ``make matrix`` says."""
PATIENT = {
    "MIQA_DELIVER__BREAKER_PAUSE_S": "1",
    "MIQA_DELIVER__BACKOFF_INITIAL_S": "0.5",
    "MIQA_DELIVER__BACKOFF_MAX_S": "1",
    "MIQA_STORE__MIN_FREE_BYTES": "1000000",
}
"""Settings of a node whose archive comes late: it tries again soon."""
UNREADY_S = 30.0
"""After this time at the latest a node says that nothing is judged: 10 s, and what a busy machine adds."""
PATIENCE_S = 20.0
"""How long a modality is listened to that gets no answer."""
REASONS = {0x0110: "processing failure", 0x0112: "no such object instance"}

DAMAGES: Mapping[str, Callable[[bytes], bytes | None]] = {
    "deleted": lambda _whole: None,
    "emptied": lambda _whole: b"",
    "cut": lambda whole: whole[: len(whole) // 2],
    "flipped": lambda whole: whole[:-999] + bytes([whole[-999] ^ 0xFF]) + whole[-998:],
}

Row = Mapping[str, str]
"""What each part said, by the name of its column."""


@dataclass(frozen=True)
class StoredImage:
    """An image that the node accepted, and its rows."""

    dataset: pydicom.Dataset
    uid: str
    digest: str
    key: str
    results: Mapping[str, str]
    """SOP Instance UID → key of the object."""


class MatrixNode:
    """A node, an archive that is not there yet, and a modality."""

    def __init__(self, folder: Path, samples: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir(exist_ok=True)
        self._template, self._pixels = noise(samples)
        self._sent = 0
        self._pacs_port = free_port()
        self.environment = {**PATIENT, **(environment or {})}
        self.node = Node(folder, self._pacs_port, self.environment)
        self.pacs: Pacs | None = None
        self.examined = self.data
        """The data directory that commands are given."""
        wait_until(self.node.is_ready, LIMIT_S, "the node is ready")

    def open_archive(self) -> Pacs:
        """From now on results are taken."""
        self.pacs = Pacs(self._pacs_port)
        return self.pacs

    def let_send(self, allowed: bool) -> None:
        """Hold the destination, or release it."""
        url = f"http://127.0.0.1:{self.node.web_port}/api/v1/destinations/PACS/{'release' if allowed else 'hold'}"
        body = json.dumps({"actor": "a test", "comment": "damage"}).encode()
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    def close(self) -> None:
        self.go_on()  # a paused process does not hear that it is to end
        self.node.close()
        if self.pacs is not None:
            self.pacs.close()

    def new_image(self) -> pydicom.Dataset:
        """No two are alike."""
        self._sent += 1
        image = deepcopy(self._template)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
        image.PixelData = self._pixels(self._sent)
        return image

    def send(self, image: pydicom.Dataset) -> int | None:
        """Status of the answer; None if the node lets nobody in."""
        ae = AE("SCANNER")
        ae.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
        association = ae.associate("127.0.0.1", self.node.dicom_port)
        if not association.is_established:
            return None
        status = association.send_c_store(image)
        association.release()
        return int(status.Status) if "Status" in status else None

    def take(self, count: int) -> list[StoredImage]:
        """So many images, when their results wait to be sent."""
        images = [self.new_image() for _ in range(count)]
        for image in images:
            assert self.send(image) == 0x0000
        wait_until(lambda: all(self.results(str(one.SOPInstanceUID)) for one in images), LIMIT_S, "there are results")
        wait_until(lambda: not self.rows("SELECT 1 FROM instances i LEFT JOIN dispositions d ON d.digest = i.digest "
                                         "WHERE d.digest IS NULL"), LIMIT_S, "all are judged")  # fmt: skip
        return [self._stored(image) for image in images]

    def _stored(self, image: pydicom.Dataset) -> StoredImage:
        uid = str(image.SOPInstanceUID)
        [(digest, key)] = self.rows("SELECT digest, object_key FROM instances WHERE sop_instance_uid = ?", uid)
        return StoredImage(image, uid, digest, key, self.results(uid))

    def results(self, uid: str) -> Mapping[str, str]:
        """Of an image, by their UID."""
        return dict(self.rows(
            "SELECT r.sop_instance_uid, r.object_key FROM results r JOIN instances i ON i.digest = r.digest "
            "WHERE i.sop_instance_uid = ? AND r.object_key != ''", uid,
        ))  # fmt: skip

    def rows(self, statement: str, *values: str) -> list[Any]:
        """Read the node's database."""
        if url := self.environment.get("MIQA_STORE__DATABASE_URL"):
            with psycopg.connect(url) as server:
                return server.execute(statement.replace("?", "%s").encode(), values).fetchall()
        with closing(sqlite3.connect(f"file:{self.data / 'miqa.sqlite'}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(statement, values).fetchall()

    def waiting(self) -> int:
        """Deliveries to the archive that are not sent yet."""
        [(count,)] = self.rows("SELECT count(*) FROM deliveries WHERE state = 'QUEUED' AND destination = 'PACS'")
        return int(count)

    def pause(self) -> None:
        """Let the node do nothing."""
        self.node.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After a pause; commands are given the node's own data again."""
        self.examined = self.data
        self.node.process.send_signal(signal.SIGCONT)

    def freeze(self) -> None:
        """Let commands examine a copy from now on: a paused node may hold a lock of its database."""
        self.examined = self.folder / f"copy-{time.monotonic_ns()}"
        shutil.copytree(self.data, self.examined, ignore=shutil.ignore_patterns("*.sqlite*", "cache", "incoming"))
        with (
            closing(sqlite3.connect(self.data / "miqa.sqlite", timeout=60)) as source,
            closing(sqlite3.connect(self.examined / "miqa.sqlite")) as copy,
        ):
            source.backup(copy)

    # ── what the parts say ──

    def readiness(self) -> str:
        """Answer of /readyz, with its words."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.node.health_port}/readyz", timeout=10) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                body = json.loads(error.read())
                return f"{error.code}: {plain('; '.join(body['reasons']))}"

    def command(self, *words: str) -> tuple[int, str]:
        """Exit code of a command with the settings of the node, and its output; its errors if it printed nothing."""
        out, errors, before = StringIO(), StringIO(), dict(os.environ)
        os.environ.update(self._settings())
        try:
            with redirect_stdout(out), redirect_stderr(errors):
                code = run([*words, "--data-dir", str(self.examined)])
        finally:
            os.environ.clear()
            os.environ.update(before)
        return int(code), out.getvalue() or errors.getvalue()

    def _settings(self) -> dict[str, str]:
        """What a command is told that people type beside the node."""
        return {**self.environment, "MIQA_WEB__HEALTH_PORT": str(self.node.health_port)}

    def readiness_after(self, limit_s: float = UNREADY_S) -> str:
        """The same, as soon as it says no, or after the time in which it has to."""
        with suppress(AssertionError):
            return wait_until(lambda: answer if (answer := self.readiness()) != "200" else "", limit_s, look_s=0.2)
        return self.readiness()

    def command_apart(self, *words: str) -> tuple[int, str]:
        """The same as ``command`` in a process of its own, which meets the same errors of the disk as the node."""
        program = str(Path(sys.executable).with_name("miqa-node"))
        done = subprocess.run(
            [program, *words, "--data-dir", str(self.data)],
            env=os.environ | self._settings(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout or done.stderr

    def commitment(self, image: StoredImage, limit_s: float = 0.0) -> str:
        """What a modality hears that wants to delete its copy, within the limit if there is one."""
        with self.inquiry(image) as answer:
            return answer(limit_s)

    @contextmanager
    def inquiry(self, image: StoredImage) -> Iterator[Callable[[float], str]]:
        """The same, of a modality that keeps its association open: what it has heard, after the limit at the latest."""
        modality = Modality()
        with modality.association(self.node.dicom_port) as ask:
            status = ask(image.uid, sop_class=ComputedRadiographyImageStorage)

            def answer(limit_s: float = 0.0) -> str:
                if status:
                    return f"refused, 0x{status:04X}"
                with suppress(AssertionError):
                    wait_until(lambda: modality.reports, limit_s or LIMIT_S)
                if not modality.reports:
                    assert limit_s, "the modality is not told"
                    return "no answer yet"
                [(event_type, report)] = modality.reports
                if event_type == 1:
                    return "promised"
                reason = int(report.FailedSOPSequence[0].FailureReason)
                return f"refused, 0x{reason:04X} {REASONS[reason]}"

            yield answer

    def reassess(self, image: StoredImage, *, apart: bool = False) -> str:
        """What ``reassess`` says of an image."""
        code, text = (self.command_apart if apart else self.command)("reassess", image.uid, "--json")
        plan = json.loads(text) if text.startswith("{") else {}
        entries = plan.get("candidates", [])
        if code or not entries:
            return plain(text.strip().splitlines()[-1])
        return f"refused: {plain(entries[0]['obstacle'])}" if entries[0]["obstacle"] else "judges again"

    def fsck(self, *options: str, apart: bool = False) -> dict[str, str]:
        """Kinds of fault by digest, UID or key; a command that fails has only ''."""
        _code, text = (self.command_apart if apart else self.command)("fsck", "--json", *options)
        try:
            return {one["what"]: one["fault"] for one in json.loads(text)}
        except ValueError:
            return {"": plain(text.strip().splitlines()[-1])}

    def doctor(self, *, apart: bool = False) -> str:
        """The checks that failed, in words, other than of the archive that is not there."""
        _code, text = (self.command_apart if apart else self.command)("doctor", "--json")
        checks = json.JSONDecoder().raw_decode(text[text.find("{\n") if "{\n" in text else text.find("{") :])[0][
            "checks"
        ]
        failed = {one["check"]: plain(one["detail"]) for one in checks if not one["ok"]}
        failed.pop("destination PACS", None)
        if "node" in failed:
            failed["node"] = "in the words of its readiness"
        return "; ".join(f"fails, {name}: {detail}" for name, detail in failed.items()) or "ok"

    def answer_of(self, *words: str, apart: bool = False) -> str:
        """Exit code and last line of a command."""
        code, output = (self.command_apart if apart else self.command)(*words)
        return f"exit code {code}, {plain(output.strip().splitlines()[-1])}"

    def backup(self) -> tuple[int, str]:
        """Exit code and output of a backup into a new folder."""
        return self.command("backup", str(self.folder / f"backup-{time.monotonic_ns()}"))


def plain(text: str) -> str:
    """Words that are the same on each machine and in each run."""
    text = re.sub(r"/[\w./-]+/", "…/", text)
    text = re.sub(r"\b[0-9a-f]{16,64}\b", "DIGEST", text)
    text = re.sub(r"\b\d+(?:\.\d+){4,}\b", "UID", text)
    return " ".join(re.sub(r"\d+", "N", text).replace("|", "/").split())


def table(first: str, columns: Sequence[str], rows: Mapping[str, Row]) -> list[str]:
    """In Markdown."""
    lines = [f"| {first} | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 1)}"]
    return lines + [f"| {name} | {' | '.join(row[column] for column in columns)} |" for name, row in rows.items()]


def compare_with_page(name: str, lines: Sequence[str]) -> None:
    """The page has the table; with ``make matrix`` it gets it."""
    text = PAGE.read_text("utf-8")
    begin, end = f"<!-- matrix: {name} -->\n", f"<!-- end of matrix: {name} -->"
    head, mark, rest = text.partition(begin)
    assert mark, f"docs/explanation/reliability.md has no place for the matrix {name!r}"
    on_page, _, tail = rest.partition(end)
    made = "\n" + "\n".join(lines) + "\n\n"
    if WRITING:
        PAGE.write_text(head + begin + made + end + tail, "utf-8")
    else:
        assert on_page.strip().splitlines() == list(lines), "make matrix writes what was seen into the page"
