"""Objects that came without Study or Series Instance UID: each stands for itself until somebody gives it its UIDs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from miqa_node.core.domain.instance import InstanceDigest, StoredInstance, is_uid
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import ConflictError
from miqa_node.features.worklist.rows import corrections, history, worklist
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import instances
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with WorkerPool(load_settings()) as pool:
        rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
        yield rig
        rig.database.close()


def receive(rig: Rig, source: Path, **changes: str | None) -> InstanceDigest:
    ds = pydicom.dcmread(source)
    for keyword, value in changes.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    path = rig.folder / "changed.dcm"
    ds.save_as(path)
    return rig.receive(path)


@pytest.mark.parametrize("gone", ["StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "absent"])
@pytest.mark.parametrize("name", ["RG3_UNCR.dcm", "MR2_UNCR.dcm"])
def test_objects_without_study_or_series_uid_are_quarantined_one_by_one(
    rig: Rig, samples: Path, gone: str, name: str, *, empty: bool
) -> None:
    digests = [
        receive(
            rig, samples / name, **{gone: "" if empty else None}, PatientID=patient, SOPInstanceUID=f"1.2.{patient}"
        )
        for patient in ("1", "2")
    ]
    for digest in digests:
        rig.finish(digest)
    assert [rig.verdict(digest) for digest in digests] == [Verdict.NOT_ASSESSED] * 2
    assert [rig.queued(digest) for digest in digests] == [[], []]
    with rig.database.begin() as transaction:
        items = worklist.select(transaction, worklist.WorklistFilter(), limit=10)
        headers = [instances.load(transaction, digest).header for digest in digests]
    assert all(is_uid(one.study_instance_uid) and is_uid(one.series_instance_uid) for one in headers)
    assert headers[0].series_instance_uid != headers[1].series_instance_uid
    reasons = {reason for item in items for image in item.images for reason in image.reasons}
    assert len(reasons) == 1
    assert gone.replace("InstanceUID", " Instance UID") in reasons.pop()
    if gone == "StudyInstanceUID":
        assert sorted((item.patient_id, len(item.images)) for item in items) == [("1", 1), ("2", 1)]


def test_missing_uids_can_be_given_and_then_the_image_is_in_its_study(rig: Rig, samples: Path) -> None:
    first_digest = receive(rig, samples / "RG3_UNCR.dcm", PatientID="1")
    lost = receive(rig, samples / "RG3_UNCR.dcm", PatientID="1", SOPInstanceUID="1.2.3", StudyInstanceUID="")
    other = receive(rig, samples / "RG3_UNCR.dcm", PatientID="2", SOPInstanceUID="1.2.4", StudyInstanceUID="")
    for digest in (first_digest, lost, other):
        rig.finish(digest)
    study = str(pydicom.dcmread(samples / "RG3_UNCR.dcm").StudyInstanceUID)

    def give(digest: InstanceDigest, study_uid: str, series_uid: str = "") -> StoredInstance:
        return corrections.give_uids(
            rig.database, rig.objects, digest, study_uid, series_uid, "anna", datetime.now(UTC)
        )

    with pytest.raises(ConflictError, match="no Study Instance UID"):
        give(lost, "")
    with pytest.raises(ConflictError, match="Series Instance UID of the object is"):
        give(lost, study, "1.2.3")
    with pytest.raises(ConflictError, match="another Patient ID"):
        give(other, study)
    with pytest.raises(ConflictError, match="only missing ones"):
        give(first_digest, study)
    assert give(lost, study).header.study_instance_uid == study
    with rig.database.begin() as transaction:
        items = worklist.select(transaction, worklist.WorklistFilter(), limit=10)
        item = worklist.show(transaction, study)
        events = history.of_worklist(transaction, study)
    assert {one.patient_id: len(one.images) for one in items} == {"1": 2, "2": 1}
    assert {image.digest for image in item.images} == {first_digest, lost}
    assert [(event.action, event.actor) for event in events][-1] == ("corrected", "anna")
    assert give(other, "1.2.99").header.study_instance_uid == "1.2.99"


@pytest.mark.parametrize(("own", "theirs"), [("NORTH", "SOUTH"), ("", "SOUTH"), ("NORTH", "")])
def test_uids_of_a_study_of_another_authority_cannot_be_given(rig: Rig, samples: Path, own: str, theirs: str) -> None:
    whose = {"PatientID": "1001"}
    receive(rig, samples / "RG3_UNCR.dcm", **whose, IssuerOfPatientID=theirs)
    lost = [
        receive(rig, samples / "RG3_UNCR.dcm", **whose, IssuerOfPatientID=one, SOPInstanceUID=uid, StudyInstanceUID="")
        for one, uid in ((own, "1.2.3"), (theirs, "1.2.4"))
    ]
    for digest in lost:
        rig.finish(digest)
    study = str(pydicom.dcmread(samples / "RG3_UNCR.dcm").StudyInstanceUID)
    now = datetime.now(UTC)
    with pytest.raises(ConflictError, match="another authority"):
        corrections.give_uids(rig.database, rig.objects, lost[0], study, "", "anna", now)
    instance = corrections.give_uids(rig.database, rig.objects, lost[1], study, "", "anna", now)
    assert instance.header.study_instance_uid == study
