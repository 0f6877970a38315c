"""How long it takes, and how much memory, to read whose the images of an earlier version are.

    python benchmarks/identification.py 1000000

The memory is the peak over what the process had before, after each tenth of the images: it does not grow with them.

The images have lost their files, as most old ones have, except one in a hundred.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.authorities import AuthorityRules
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.site_store import open_objects
from miqa_node.stages.receive.rows.identification import Identification

START = datetime(2025, 1, 1, tzinfo=UTC)
CHUNK = 10_000
TENTHS = 10
KEPT = 100
"""One image in so many has its file."""


def main(count: int) -> None:
    """Fill a database and print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/miqa.sqlite")
        database.migrate()
        objects = open_objects("", Path(folder) / "objects", 0, 1 << 20)
        header = _header(Path(folder) / "header.dcm")
        for begin in range(0, count, CHUNK):
            numbers = range(begin, min(begin + CHUNK, count))
            with database.begin() as transaction:
                transaction.execute(sa.insert(t.studies), [_study(number) for number in numbers])
                transaction.execute(sa.insert(t.instances), [_image(number) for number in numbers])
            for number in numbers[::KEPT]:
                objects.put(f"instances/{number:064x}.dcm", header)
        job = Identification(database, objects, AuthorityRules(), AcquisitionRules(key=b"k" * 32))
        before_mib, began, done = _peak_mib(), time.monotonic(), 0
        more_mib: list[float] = []
        while read := job.read_some(datetime.now(UTC)):
            done += read
            if done * TENTHS >= count * (len(more_mib) + 1):
                more_mib.append(round(_peak_mib() - before_mib, 1))
        seconds = time.monotonic() - began
        figures = {"images": count, "seconds": round(seconds, 1), "images_per_s": round(count / seconds)}
        figures |= {"processor_s": round(time.process_time(), 1)}
        print(json.dumps({**figures, "more_memory_mib_by_tenth": more_mib}))
        database.close()


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _study(number: int) -> dict[str, object]:
    texts = {"accession_number": "", "patient_name": "A^B", "study_date": "20250101", "study_description": ""}
    return {"study_instance_uid": f"1.2.5.{number}", "patient_id": str(number % 200_000), **texts}


def _image(number: int) -> dict[str, object]:
    is_kept = number % KEPT == 0
    removed = {} if is_kept else {"removed_at": START, "deleted_at": START, "removal_cause": "age"}
    nothing = {"removed_at": None, "deleted_at": None, "removal_cause": ""}
    uids = dict.fromkeys(("sop_instance_uid", "sop_class_uid", "series_instance_uid"), f"1.2.{number}")
    return {
        "digest": f"{number:064x}",
        **uids,
        "study_instance_uid": f"1.2.5.{number}",
        "modality": "DX",
        "body_part": "CHEST",
        "view": "PA",
        "station": "R",
        "header": {},
        "object_key": f"instances/{number:064x}.dcm",
        "size_bytes": 1,
        "calling_ae_title": "CT1",
        "peer_address": "127.0.0.1",
        "received_at": START + timedelta(seconds=number),
        "conflicting": False,
        **nothing,
        **removed,
    }


def _header(path: Path) -> bytes:
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    ds.PatientID, ds.IssuerOfPatientID = "1001", "NORTH"
    ds.save_as(path, enforce_file_format=True)
    return path.read_bytes()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
