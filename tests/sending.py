"""Sends images to a running node and waits for verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context

from miqa_node.features.worklist.rows import history
from miqa_node.node import Node
from tests.stages.assess.making import CR
from tests.waiting import wait_until

NOISE_SIDE = 128


def judged(node: Node, image: Dataset, limit_s: float) -> history.InstanceHistory:
    """What the node has written down about the image once it has its verdict."""
    ae = AE("SCANNER")
    ae.requested_contexts = [build_context(CR, ExplicitVRLittleEndian)]
    association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
    assert association.send_c_store(image).Status == 0
    association.release()

    def row_of_it() -> history.InstanceHistory | None:
        with node.database.begin() as transaction:
            [row] = history.of_uid(transaction, image.SOPInstanceUID, limit=2)
        return row if row.disposition is not None else None

    row = wait_until(row_of_it, limit_s, "the image is judged")
    assert row is not None
    return row


def exposure(samples: Path, number: int, **elements: Any) -> pydicom.FileDataset:
    """A small radiograph of nothing but noise: measured and rejected without the model. ``samples``: pydicom-data."""
    ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID = (generate_uid() for _ in range(3))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.Rows = ds.Columns = NOISE_SIDE
    noise = np.random.default_rng(number).integers(0, 2**ds.BitsStored, (NOISE_SIDE, NOISE_SIDE), np.uint16)
    ds.PixelData = noise.tobytes()
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientID = "CHEST", "PA", f"P{number}"
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds
