"""Backs up a node with many assessed images while it works, restores it elsewhere and checks it.

    python -m benchmarks.backup [--images 100000]

The images are small DICOM files with UIDs of their own. Originals, previews, reports, verdicts and deliveries are
written through the interfaces of the store, as the pipeline writes them; every tenth study is flagged. Then a real node
runs on them and receives and judges further images by C-STORE while the functions behind ``miqa-node backup``,
``restore`` and ``fsck --deep`` run.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import Comprehensive3DSRStorage, ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_context

from benchmarks.machine import describe, keep
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import DeliveryId, ResultKind, ResultObject
from miqa_node.core.domain.instance import (
    Header,
    InstanceDigest,
    ReceivedObject,
    SeriesInstanceUid,
    SopInstanceUid,
    StudyInstanceUid,
    StudyRecord,
)
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.core.settings import Settings, load_settings
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.backup import work as backup
from miqa_node.features.worklist.rows import worklist
from miqa_node.interfaces.cli.app import run
from miqa_node.node import Node
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.store.site_store import objects_of
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.rows import instances

SIDE = 32
BATCH = 500
IMAGES_PER_STUDY = 2
ROOT = "1.2.826.0.1.3680043.8.498."
PLACE = "999999999"
PREVIEW = b"\x89PNG" + bytes(800)
PAUSE_S = 0.5
FIRST = datetime.now(UTC) - timedelta(days=400)


def main() -> None:
    """Fill, back up under work, restore, check, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=100_000)
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="miqa-backup-") as folder:
        result = campaign(Path(folder), options.images)
    keep("backup", machine, result)


def campaign(folder: Path, images: int) -> dict[str, Any]:
    """Times and counts of one drill."""
    home, elsewhere, backup_folder = folder / "home", folder / "elsewhere", folder / "backup"
    settings = _settings(home)
    times: dict[str, float] = {}
    with Node(settings):  # makes the tables
        pass
    _timed(times, "fill_s", lambda: fill(settings, images))
    with Node(settings) as node, Sender(node.dicom_port, images) as sender:
        before = _counts(node.database)
        made = _timed(times, "backup_s", lambda: backup.back_up(node.database, node.objects, home, backup_folder))
        during = sender.sent
        again = _timed(
            times, "second_backup_s", lambda: backup.back_up(node.database, node.objects, home, backup_folder)
        )
    verified = _timed(times, "verify_s", lambda: run(["restore", str(backup_folder), "--verify"]))
    restored = _timed(times, "restore_s", lambda: run(["restore", str(backup_folder), "--data-dir", str(elsewhere)]))
    faults = _timed(times, "fsck_deep_s", lambda: run(["fsck", "--deep", "--data-dir", str(elsewhere)]))
    database = Database(f"sqlite:///{elsewhere / 'miqa.sqlite'}")
    after = _counts(database)
    database.close()
    return {
        "file_system": _file_system(folder),
        "images_before": before.decided,
        "images_received_during_the_first_backup": during,
        "images_refused": sender.refused,
        "objects": made.objects,
        "mib": made.size_bytes >> 20,
        "copied_by_the_second_backup": again.copied,
        "images_restored": after.received,
        "verdicts_restored": after.decided,
        "restore_verify_finds_nothing": verified == 0,
        "restore_succeeds": restored == 0,
        "fsck_finds_nothing": faults == 0,
        "times": {name: round(seconds, 1) for name, seconds in times.items()},
    }


def fill(settings: Settings, images: int) -> None:
    """Write images with verdicts, as many as asked for, and what belongs to each."""
    database, objects = Database(f"sqlite:///{settings.node.data_dir / 'miqa.sqlite'}"), objects_of(settings)
    artifacts = Artifacts(objects)
    for start in range(0, images, BATCH):
        with database.begin() as transaction:
            for number in range(start, min(start + BATCH, images)):
                _write(transaction, artifacts, settings.incoming_dir / "filled.part", number)
    database.close()


def _write(transaction: Transaction, artifacts: Artifacts, path: Path, number: int) -> None:
    path.write_bytes(_file(number))
    header, study = _header(path, number)
    digest, size, at = InstanceDigest(data_set_digest(path)), path.stat().st_size, FIRST + timedelta(minutes=number)
    artifacts.keep_original(digest, path)
    artifacts.keep_preview(digest, PREVIEW)
    received = ReceivedObject(str(path), digest, size, "ROOM1", "MIQA", "127.0.0.1", at)
    instances.record(transaction, header, study, received, original_key(digest))
    instances.save_assessment(transaction, Assessment(digest, header, at))
    flagged = number // IMAGES_PER_STUDY % 10 == 0
    disposition = Disposition(Verdict.REVIEW if flagged else Verdict.ACCEPT, (), "p", "all")
    instances.save_disposition(transaction, digest, header.study_instance_uid, disposition, at)
    if flagged:
        worklist.flag(transaction, header.study_instance_uid, disposition.verdict, at)
    uid = _uids(number)["4"]
    key = artifacts.keep_result(digest, uid, _report(number))
    result = ResultObject(uid, Comprehensive3DSRStorage, ResultKind("SR"), key)
    deliveries.record_result(transaction, digest, result, at)
    deliveries.queue(transaction, result, "PACS", at)
    deliveries.sent(transaction, [DeliveryId(number + 1)], at)


def _header(path: Path, number: int) -> tuple[Header, StudyRecord]:
    """As it would be read from the file, at a fraction of the time."""
    if not _read:
        _read.append(read_header(path))
    (header, study), uid = _read[0], _uids(number)
    sop, study_uid, series = SopInstanceUid(uid["1"]), StudyInstanceUid(uid["2"]), SeriesInstanceUid(uid["3"])
    header = replace(header, sop_instance_uid=sop, study_instance_uid=study_uid, series_instance_uid=series)
    return header, replace(study, study_instance_uid=study_uid)


_read: list[tuple[Header, StudyRecord]] = []


class Sender:
    """A modality that sends images from time to time as long as the block lasts."""

    def __init__(self, port: int, first: int) -> None:
        self.sent = self.refused = 0
        self._port, self._number = port, first
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _send(self) -> None:
        ae = AE("ROOM2")
        ae.requested_contexts = [build_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)]
        association = ae.associate("127.0.0.1", self._port, ae_title="MIQA")
        while not self._ended.wait(PAUSE_S):
            self._number += 1
            status = association.send_c_store(pydicom.dcmread(BytesIO(_file(self._number)))).Status
            self.sent, self.refused = self.sent + (status == 0), self.refused + (status != 0)
        association.release()


def _uids(number: int) -> dict[str, str]:
    of_study = number // IMAGES_PER_STUDY
    numbers = {"1": number, "2": of_study, "3": of_study, "4": number}
    return {kind: f"{ROOT}{kind}.{value + 100_000_000:09d}" for kind, value in numbers.items()}


def _file(number: int) -> bytes:
    return _named(_template(), number)


def _report(number: int) -> bytes:
    """The header of a report, which is all that anybody reads of it here."""
    return _named(_report_template(), number)


def _named(file: bytes, number: int) -> bytes:
    for kind, uid in _uids(number).items():
        file = file.replace(f"{ROOT}{kind}.{PLACE}".encode(), uid.encode())
    return file


@cache
def _template() -> bytes:
    image = _identified(ComputedRadiographyImageStorage, "1")
    image.Modality, image.BodyPartExamined, image.ViewPosition = "CR", "CHEST", "PA"
    image.PixelSpacing = image.ImagerPixelSpacing = [5.0, 5.0]
    image.Rows = image.Columns = SIDE
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = np.linspace(0, 4095, SIDE * SIDE).astype("<u2").tobytes()
    return _written(image)


@cache
def _report_template() -> bytes:
    report = _identified(Comprehensive3DSRStorage, "4")
    report.Modality = "SR"
    return _written(report)


def _identified(sop_class_uid: str, kind: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class_uid, f"{ROOT}{kind}.{PLACE}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}2.{PLACE}", f"{ROOT}3.{PLACE}"
    dataset.PatientID, dataset.PatientName, dataset.StationName = "BENCHMARK", "Benchmark^Image", "ROOM1"
    return dataset


def _written(dataset: Dataset) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _settings(folder: Path) -> Settings:
    return load_settings(
        node={"data_dir": folder, "name": "benchmark"},
        dicom={"port": 0, "host": "127.0.0.1"},
        web={"port": 0},
        retention={"enabled": False},
    )


def _file_system(folder: Path) -> str:
    named = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True)
    return named.stdout.strip()


def _counts(database: Database) -> instances.InstanceCounts:
    with database.begin() as transaction:
        return instances.count(transaction)


def _timed(times: dict[str, float], name: str, work: Any) -> Any:
    start = time.perf_counter()
    try:
        return work()
    finally:
        times[name] = time.perf_counter() - start


if __name__ == "__main__":
    main()
