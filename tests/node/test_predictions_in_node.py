"""All through the one pipeline: a chest radiograph by C-STORE, with the shipped pneumonia and anomaly switched on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pynetdicom import AE

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_node.features.worklist.rows import worklist
from miqa_node.node import Node
from miqa_node.stages.assess.sidecars import sidecar_folder
from miqa_node.stages.units.rows import instances
from tests.parts import results_of
from tests.stages.report.test_objects import groups, values
from tests.waiting import wait_until

pytestmark = pytest.mark.more

POLICY = """
version = "all"
[where."frontal chest radiograph"]
modality = ["CR", "DX"]
body_part = ["CHEST"]
view = ["PA", "AP"]
[[rule]]
where = "frontal chest radiograph"
evidence = "card"
each = [
    { finding = "rotation_orientation", then = "REJECT" },
    { finding = "foreign_object", then = "REVIEW" },
    { measurement = "anomaly", min_percentile = 95.0, then = "REVIEW" },
]
[[package]]
name = "pneumonia-ensemble"
[[package]]
name = "anomaly"
"""


def test_one_report_one_segmentation_and_one_entry_hold_what_all_shipped_packages_say(
    tmp_path: Path, samples: Path
) -> None:
    """The sample chest lies on its side: the quality model rejects it, it is unusual, and pneumonia must wait."""
    (tmp_path / "policy.toml").write_text(POLICY)
    settings = load_settings(
        node={"data_dir": tmp_path / "node", "name": "t", "accelerator": "cpu"},
        dicom={"port": 0, "host": "127.0.0.1"},
        web={"port": 0},
        work={"processes": 1},
        policy={"file": str(tmp_path / "policy.toml")},
    )
    dataset = pydicom.dcmread(samples / "RG1_UNCR.dcm")
    dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "PA"
    dataset.PixelData = np.ascontiguousarray(np.rot90(dataset.pixel_array)).tobytes()
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows
    with Node(settings) as node:
        send(node.dicom_port, dataset)
        digest = wait_for(node, str(dataset.SOPInstanceUID))
        with node.database.begin() as transaction:
            results = results_of(transaction, digest)
            entries = worklist.select(transaction, worklist.WorklistFilter(pending_review=True), limit=10)
            everything = worklist.select(transaction, worklist.WorklistFilter(every_list=True), limit=10)
            assessment = instances.load_assessment(transaction, digest)
            disposition = instances.load_disposition(transaction, digest)
        kinds = [result.kind for result in results]
        assert kinds.count(ResultKind("SR")) == kinds.count(ResultKind("SEG")) == 1
        objects = {result.kind: pydicom.dcmread(node.objects.local_path(result.object_key)) for result in results}
    assert assessment is not None
    assert disposition is not None
    assert disposition.verdict is Verdict.REJECT
    shipped = sidecar_folder(settings.models_dir, "pneumonia-ensemble").name
    assert [one.package for one in assessment.predictions] == [shipped]
    assert assessment.model is not None
    assert (settings.models_dir / f"{assessment.model.name}-{assessment.model.version}").is_dir()
    present = {finding.name for finding in assessment.findings if finding.present and finding.name in defect_names()}
    assert "rotation_orientation" in present
    report_groups = groups(objects[ResultKind("SR")])
    assert len(report_groups) >= 2 + len(present), "the image, each finding, the prediction"
    assert not values(report_groups[0], "ANOMALY_SCORE"), "a destination that wants all numbers asks for SR_FULL"
    [prediction] = [group for group in report_groups if values(group, "PRED_STATUS")]
    assert values(prediction, "PRED_STATUS") == ["PENDING_REVIEW"]
    tracked = {segment.TrackingID for segment in objects[ResultKind("SEG")].SegmentSequence}
    assert tracked == present | {f"prediction:{shipped}", "unusual_region"}
    [entry] = entries
    assert everything == entries
    names = {reason.name for reason in disposition.reasons}
    assert {"rotation_orientation", "anomaly", "quality_first", "out_of_distribution"} <= names
    assert set(entry.images[0].reasons) == {reason.text for reason in disposition.reasons}


def send(port: int, dataset: pydicom.Dataset) -> None:
    ae = AE("SCANNER")
    ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", port, ae_title="MIQA")
    assert association.is_established
    assert association.send_c_store(dataset).Status == 0
    association.release()


def wait_for(node: Node, uid: str) -> InstanceDigest:
    def judged() -> InstanceDigest | None:
        with node.database.begin() as transaction:
            digests = instances.find(transaction, uid)
            return next((one for one in digests if instances.load_disposition(transaction, one) is not None), None)

    digest = wait_until(judged, 120.0, "the image is judged")
    assert digest is not None
    return digest
