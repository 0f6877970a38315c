"""kill -9 while series arrive, wait and are judged: each ends with one report."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, Comprehensive3DSRStorage
from pynetdicom import AE

from tests.crash.station import Node, Pacs
from tests.crash.test_kill import pacs  # noqa: F401 - fixture
from tests.stages.measure.series import making
from tests.waiting import delay, wait_until

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
    return making.write_series(folder / "slices", images, "CT", change=change)


def write_sonograms(samples: Path, folder: Path, number: int) -> list[Path]:
    """Images that no model and no rule covers."""
    paths = []
    for instance in range(SLICES):
        image = pydicom.dcmread(samples / "US1_UNCR.dcm")
        image.SeriesInstanceUID = f"{making.SERIES}.{number}"
        uid = UID(f"{making.SERIES}.{number}.{instance + 1}")
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
        path = folder / f"{number}-{instance}.dcm"
        image.save_as(path)
        paths.append(path)
    return paths


def send(port: int, path: Path) -> None:
    """The slice again and again until the node answers 0x0000, as a scanner does."""

    def is_taken() -> bool:
        ae = AE("CT1")
        ae.add_requested_context(pydicom.dcmread(path, stop_before_pixels=True).SOPClassUID)
        ae.acse_timeout = ae.dimse_timeout = ae.connection_timeout = 5
        association = ae.associate("127.0.0.1", port)
        if association.is_established:
            status = association.send_c_store(path)
            association.release()
            return bool(getattr(status, "Status", None) == 0x0000)
        return False

    wait_until(is_taken, LIMIT_S, "the node takes the slice", look_s=0.1)


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
@pytest.mark.timeout(600)
@pytest.mark.long
@pytest.mark.parametrize(("modality", "reported"), [("CT", SLICES), ("US", 1)])
def test_no_series_is_lost_or_told_twice(
    tmp_path: Path,
    samples: Path,
    pacs: Pacs,  # noqa: F811 - the fixture
    monkeypatch: pytest.MonkeyPatch,
    modality: str,
    reported: int,
) -> None:
    """One report lists all slices of a CT series; that of a series that is not assessed refers to one of its images."""
    monkeypatch.setenv("MIQA_WORK__CT_QUIET_S", "1")
    monkeypatch.setenv("MIQA_WORK__HEARTBEAT_INTERVAL_S", "1")
    # On a slow machine most kills meet the same image; given up, it would have a report of its own.
    monkeypatch.setenv("MIQA_WORK__MAX_ATTEMPTS", "20")
    node = Node(tmp_path, pacs.port)
    chance = random.Random(20261120)
    kills = 0
    for number in range(SERIES):
        folder = tmp_path / "sent" / str(number)
        folder.mkdir(parents=True)
        for path in write(folder, number) if modality == "CT" else write_sonograms(samples, folder, number):
            send(node.dicom_port, path)
            if kills < KILLS and chance.random() < 0.3:
                delay(chance.uniform(0.0, 2.0))  # in the middle of arriving, waiting or judging
                node.kill()
                node.start()
                kills += 1
    node.kill()  # once more with everything promised and nothing finished for certain
    node.start()
    expected = {f"{making.SERIES}.{number}": [reported] for number in range(SERIES)}
    with suppress(AssertionError):  # what came instead is told below
        wait_until(lambda: said(pacs) == expected, LIMIT_S, look_s=1.0)
    node.close()
    assert said(pacs) == expected
    assert pacs.changed == []
    assert kills >= 3
