"""Measures a 300-slice CT of 512 × 512 on the whole node: from the answer to its last slice until its SR arrives.

    python -m benchmarks.series [--slices 300] [--series 3]

A real node runs in a process of its own with everything on embedded defaults; sender and PACS run in this one, on the
same cores. Each series says how many slices it has, so there is no quiet time; the poll that finds it complete (up to
one second) counts. Processor time is that of the node's own process and of its workers, most memory that of the
node's own process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from benchmarks.machine import describe, keep
from miqa_node.core.settings import load_settings
from miqa_node.stages.deliver.kinds.base import DeliveryContext
from miqa_node.stages.deliver.kinds.cstore import CStoreConfig, CStoreDestination
from miqa_node.stages.report.uids import derive_uid
from miqa_selftest.launch import HOST, NodeProcess, free_port, free_ports
from miqa_selftest.pacs import AE_TITLE, ReceivingPacs

SIDE = 512
SPACING_MM = 0.75
LIMIT_S = 300.0
POLL_S = 0.005


def main() -> None:
    """Measure and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--series", type=int, default=3, help="one after the other, the first to warm up")
    options = parser.parse_args()
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="miqa-series-") as folder:
        result = measure(Path(folder), options.slices, options.series)
    keep("series", machine, result)


def measure(folder: Path, slices: int, count: int) -> dict[str, object]:
    """The figures of each series."""
    dicom_port, web_port = free_ports((0, 0))
    with ReceivingPacs(folder / "pacs", free_port()) as pacs:
        destination = f"{AE_TITLE}={AE_TITLE}@{HOST}:{pacs.port}"
        with NodeProcess(folder / "node", "MIQA", dicom_port, web_port, destination) as node:
            target = CStoreConfig(name="node", ae_title=node.ae_title, host=HOST, port=dicom_port)
            with closing(CStoreDestination(target, DeliveryContext(load_settings().deliver, "BENCHMARK"))) as scanner:
                process = psutil.Process(node.pid)
                figures = [_one(scanner, pacs, process, f"{time.time_ns()}-{n}", slices) for n in range(count)]
    return {"series": {"slices": slices, "rows": SIDE, "columns": SIDE}, "runs": figures[1:] or figures}


def _one(
    scanner: CStoreDestination, pacs: ReceivingPacs, process: psutil.Process, salt: str, slices: int
) -> dict[str, float]:
    uids, idle_mb = [], _megabytes(process, "VmRSS")
    began = time.monotonic()
    for number in range(slices):
        uid, data = ct_slice(salt, number, slices)
        uids.append(uid)
        if number == slices - 1:
            time.sleep(1.0)  # what the node does with the slices themselves is not measured here
            before = _processor_s(process)
        scanner.send_one(CTImageStorage, uid, data)
    answered = time.monotonic()
    while (report := pacs.report_about(uids[0])) is None:
        if time.monotonic() - answered > LIMIT_S:
            raise TimeoutError("no SR")
        time.sleep(POLL_S)
    time.sleep(0.5)
    after = _processor_s(process)
    return {
        "last_slice_to_sr_s": round(report.arrived_at - answered, 2),
        "sent_in_s": round(answered - began, 2),
        "own_processor_s": round(after[0] - before[0], 2),
        "worker_processor_s": round(after[1] - before[1], 2),
        "own_idle_mb": idle_mb,
        "own_most_mb": _megabytes(process, "VmHWM"),
    }


def ct_slice(salt: str, number: int, slices: int) -> tuple[str, bytes]:
    """(SOP Instance UID, file) of one slice: an oval of water with noise, and metal on a few slices."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID = CTImageStorage
    uid = UID(derive_uid("benchmark", salt, str(number)))
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = derive_uid("benchmark", salt), derive_uid("benchmark", salt, "series")
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Benchmark^Series", "B1", "", "O"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = "20261121", "", "", "", ""
    ds.Modality, ds.BodyPartExamined, ds.SeriesNumber, ds.InstanceNumber = "CT", "ABDOMEN", 1, number + 1
    ds.ImageType, ds.NumberOfSeriesRelatedInstances = ["ORIGINAL", "PRIMARY", "AXIAL"], slices
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = derive_uid("benchmark", salt, "frame"), ""
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-192, -192, 1.25 * number], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.CTDIvol = [SPACING_MM, SPACING_MM], "1.25", 8.5
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType, ds.KVP = "1", "-1024", "HU", "120"
    ds.Rows = ds.Columns = SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 1
    ds.PixelData = _pixels(number, slices).tobytes()
    file = BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return uid, file.getvalue()


def _pixels(number: int, slices: int) -> NDArray[np.int16]:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    body = np.hypot(y / 0.7, x) * SPACING_MM < 150.0
    image = np.where(body, 1064.0, 24.0) + np.random.default_rng(number).normal(0.0, 14.0, (SIDE, SIDE))
    if abs(number - slices // 2) < 10:
        image[250:262, 130:150] = 4800.0
    return np.rint(image).astype("<i2")


def _processor_s(process: psutil.Process) -> tuple[float, float]:
    own = process.cpu_times()
    workers = [child.cpu_times() for child in process.children(recursive=True)]
    return own.user + own.system, sum(one.user + one.system for one in workers)


def _megabytes(process: psutil.Process, field: str) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) // 1000


if __name__ == "__main__":
    main()
