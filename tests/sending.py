"""Sends an image to a running node and waits for its verdict."""

from __future__ import annotations

import time

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, build_context

from miqa_node.node import Node
from miqa_node.store import history
from tests.unit.assess.making import CR


def judged(node: Node, image: Dataset, limit_s: float) -> history.InstanceHistory:
    """What the node has written down about the image once it has its verdict."""
    ae = AE("SCANNER")
    ae.requested_contexts = [build_context(CR, ExplicitVRLittleEndian)]
    association = ae.associate("127.0.0.1", node.dicom_port, ae_title="MIQA")
    assert association.send_c_store(image).Status == 0
    association.release()
    end = time.monotonic() + limit_s
    while True:
        with node.database.begin() as transaction:
            [row] = history.of_uid(transaction, image.SOPInstanceUID, limit=2)
        if row.disposition is not None:
            return row
        assert time.monotonic() < end, "the image was not judged in time"
        time.sleep(0.05)
