"""kill -9 while CT series arrive, wait and are judged: each ends with one report about all its slices."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, Comprehensive3DSRStorage, CTImageStorage
from pynetdicom import AE

from tests.crash.station import Node, Pacs
from tests.crash.test_kill import pacs  # noqa: F401 - fixture
from tests.unit.volume import making

SERIES = 6
SLICES = 5
KILLS = 6
LIMIT_S = 240.0


def write(folder: Path, number: int) -> list[Path]:
    def change(dataset: pydicom.Dataset) -> None:
        series = f"{making.SERIES}.{number}"
        dataset.SeriesInstanceUID = series
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(
            f"{series}.{dataset.InstanceNumber}"
        )

    images = [making.body_ct(seed=SLICES * number + n) for n in range(SLICES)]
    return making.write_series(folder / str(number), images, "CT", change=change)


def send(port: int, path: Path) -> None:
    """The slice again and again until the node answers 0x0000, as a scanner does."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        ae = AE("CT1")
        ae.add_requested_context(CTImageStorage)
        ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = 5
        association = ae.associate("127.0.0.1", port)
        if association.is_established:
            status = association.send_c_store(path)
            association.release()
            if getattr(status, "Status", None) == 0x0000:
                return
        time.sleep(0.1)
    raise TimeoutError("the node takes nothing")


def said(peer: Pacs) -> dict[str, list[int]]:
    """Series → how many slices each of its reports is about, reports that a later one amends left out."""
    reports = [pydicom.dcmread(pydicom.filebase.DicomBytesIO(_file(data))) for data in peer.files.values()]
    reports = [report for report in reports if report.SOPClassUID == Comprehensive3DSRStorage]
    amended = {
        reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for report in reports
        for study in report.get("PredecessorDocumentsSequence", ())
        for reference in study.ReferencedSeriesSequence
    }
    slices: dict[str, list[int]] = {}
    for report in reports:
        if report.SOPInstanceUID not in amended:
            [listed] = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
            slices.setdefault(listed.SeriesInstanceUID, []).append(len(listed.ReferencedSOPSequence))
    return slices


def _file(data_set: bytes) -> bytes:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    out = pydicom.filebase.DicomBytesIO()
    out.write(b"\0" * 128 + b"DICM")
    pydicom.filewriter.write_file_meta_info(out, meta, enforce_standard=False)
    return out.getvalue() + data_set


@pytest.mark.filterwarnings(
    "ignore:.*unclosed <socket:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_series_is_lost_or_told_twice(
    tmp_path: Path,
    pacs: Pacs,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIQA_WORK__CT_QUIET_S", "1")
    monkeypatch.setenv("MIQA_WORK__HEARTBEAT_INTERVAL_S", "1")
    node = Node(tmp_path, pacs.port)
    chance = random.Random(20261120)
    kills = 0
    for number in range(SERIES):
        for path in write(tmp_path / "sent", number):
            send(node.dicom_port, path)
            if kills < KILLS and chance.random() < 0.3:
                time.sleep(chance.uniform(0.0, 2.0))  # in the middle of arriving, waiting or judging
                node.kill()
                node.start()
                kills += 1
    node.kill()  # once more with everything promised and nothing finished for certain
    node.start()
    expected = {f"{making.SERIES}.{number}": [SLICES] for number in range(SERIES)}
    end = time.monotonic() + LIMIT_S
    while said(pacs) != expected and time.monotonic() < end:
        time.sleep(1.0)
    node.close()
    assert said(pacs) == expected
    assert pacs.changed == []
    assert kills >= 3
