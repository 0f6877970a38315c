# ruff: noqa: F401, F811 - fixtures of the quick suite are imported by name
"""The way of one image on its real parts; only the durable queue is a list here."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import UID

from miqa_node.core.domain.acquisition import AcquisitionRules
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.enhanced import EnhancedImage
from miqa_node.core.domain.image import Radiograph, SaliencyMaps
from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject
from miqa_node.core.domain.label import RequestKind
from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.core.domain.policy import Policy, Verdict
from miqa_node.core.domain.ports import Assessor
from miqa_node.core.settings import Accelerator, load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import DataSetError, ModelPackageError, lacks_resources
from miqa_node.features.worklist.rows import worklist
from miqa_node.runtime.site_records import label_requests
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.artifacts import Artifacts
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.assessor import ImageAssessor
from miqa_node.stages.assess.enhance.enhancer import Enhancer
from miqa_node.stages.assess.packages import open_package
from miqa_node.stages.conclusion.base import Conclusion, Effects
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.projection import ProjectionUnit
from miqa_node.stages.units.rows import instances
from tests.node.test_pipeline import FLAG_EVERYTHING, ListQueue, Rig, report_of, rig
from tests.parts import build_pipeline, results_of


def test_an_accepted_image_that_is_drawn_for_an_audit_is_shown_to_people_and_to_nobody_else(
    tmp_path: Path, pool: WorkerPool, samples: Path
) -> None:
    settings = load_settings()
    package = open_package(settings.models_dir / "quality-0.9.3", Accelerator.CPU, settings.assess)
    everything_goes = parse_policy({"version": "t", "scope": [{"name": "all"}]})
    rules = AcquisitionRules(key=b"k", rooms={"SCANNER": "Room 5"}, audit_share=1.0)
    rig = Rig(tmp_path, pool, everything_goes, rules=rules, assessor=ImageAssessor(package))
    digest = rig.receive(samples / "RG1_UNCR.dcm", {"OperatorsName": "Meier^Anna", "StationName": ""})
    rig.finish(digest)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest)
        [item] = worklist.select(transaction, worklist.WorklistFilter(verdict=(Verdict.ACCEPT,)), limit=9)
        request = label_requests.find(transaction, digest, RequestKind.SPOT_CHECK)
        [counted] = transaction.execute(tables.acquisitions.select()).all()
    queued = rig.queued(digest)
    rig.database.close()
    assert disposition is not None
    assert (disposition.verdict, disposition.flagged) == (Verdict.ACCEPT, True)
    assert [reason.name for reason in disposition.reasons] == ["audit"]
    assert item.images[0].digest == digest
    assert request is not None
    assert request.share == 1.0
    assert [kind for kind, _ in queued] == ["SR", "SR"]  # no key object names it
    assert (counted.room, counted.verdict) == ("Room 5", "ACCEPT")
    assert counted.operator == rules.operator("Meier^Anna") != ""


@pytest.mark.parametrize("when", ["before its objects are made", "after"])
def test_of_two_processes_the_faster_one_decides_and_the_slower_one_damages_nothing(
    rig: Rig, samples: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """As when a process was silent for so long that another one took over its job."""
    digest, prepare, processes = rig.receive(samples / "RG3_UNCR.dcm"), Effects.prepare, ["the faster one"]

    def overtaken(effects: Effects, conclusion: Conclusion) -> Conclusion:
        made = prepare(effects, conclusion) if when == "after" else None
        if processes:
            processes.pop()
            rig.finish(digest)
        return made or prepare(effects, conclusion)

    monkeypatch.setattr(Effects, "prepare", overtaken)
    rig.finish(digest)
    with rig.database.begin() as transaction:
        results, attempts = results_of(transaction, digest), transaction.execute(sa.select(tables.attempts.c.begun))
        assert attempts.scalars().all() == [2]
        verdicts = sa.select(tables.audit_records.c.digest).where(tables.audit_records.c.event == AuditEvent.VERDICT)
        assert transaction.execute(verdicts).scalars().all() == [digest]
    assert [one.kind for one in results] == ["KOS", "SR"]
    assert {Artifacts(rig.objects).verify_result(one) for one in results} == {Soundness.SOUND}


@pytest.mark.parametrize("folder", ["maps", "results"])
def test_a_full_disk_is_no_fault_of_the_image(
    rig: Rig, samples: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """It is neither quarantined nor left without its report: it is judged again until there is room."""
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    put = rig.objects.put

    def full(key: str, data: bytes) -> bool:
        if folder in key:
            raise OSError(errno.ENOSPC, "No space left on device")
        return put(key, data)

    with monkeypatch.context() as patch:
        patch.setattr(rig.objects, "put", full)
        for _ in range(5):
            with pytest.raises(OSError, match="space") as failed:
                rig.finish(digest)
            assert lacks_resources(failed.value)
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW
    assert sorted(rig.queued(digest)) == [("KOS", "PACS"), ("SR", "ARCHIVE"), ("SR", "PACS")]


@pytest.mark.parametrize(("representative", "frame"), [(None, 3), (5, 5), (9, 3)])
def test_one_frame_stands_for_a_cine_run(
    rig: Rig, samples: Path, tmp_path: Path, representative: int | None, frame: int
) -> None:
    """Measured, shown and named in the report: the representative frame (0028,6010), else the middle one of five."""
    ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    dark = np.zeros((ds.Rows, ds.Columns), np.uint16)
    frames = [dark] * 5
    frames[frame - 1] = ds.pixel_array
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.12.1")
    ds.Modality, ds.NumberOfFrames, ds.FrameTime = "XA", 5, "66.7"
    if representative is not None:
        ds.RepresentativeFrameNumber = representative
    ds.PixelData = np.stack(frames).tobytes()
    ds.save_as(tmp_path / "run.dcm")
    digest = rig.receive(tmp_path / "run.dcm")
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW  # by the entropy of the one frame that is not dark
    images = [item for item in report_of(rig, digest).iterall() if item.keyword == "ReferencedFrameNumber"]
    assert {int(image.value) for image in images} == {frame}


def test_a_destination_that_asks_gets_a_derived_image_beside_the_original(
    tmp_path: Path, pool: WorkerPool, samples: Path
) -> None:
    enhancer = Enhancer(load_settings())
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING), enhance=lambda r: enhancer.enhance(r, "clahe"))
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    rig.finish(digest)
    assert ("ENHANCED", "ARCHIVE") in rig.queued(digest)
    assert ("ENHANCED", "PACS") not in rig.queued(digest)
    with rig.database.begin() as transaction:
        [one] = [r for r in results_of(transaction, digest) if r.kind == ResultKind("ENHANCED")]
        key = instances.load(transaction, digest).object_key
    made, original = pydicom.dcmread(rig.objects.local_path(one.object_key)), pydicom.dcmread(samples / "RG3_UNCR.dcm")
    assert list(made.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == original.SOPInstanceUID
    assert rig.objects.get(key) == (samples / "RG3_UNCR.dcm").read_bytes()
    rig.database.close()


@pytest.mark.parametrize(("why", "verdict"), [("", Verdict.ACCEPT), ("Silent.", Verdict.NOT_ASSESSED)])
def test_nothing_is_accepted_in_silent_days(
    tmp_path: Path, pool: WorkerPool, samples: Path, why: str, verdict: Verdict
) -> None:
    policy = parse_policy({"version": "1", "scope": [{"name": "all", "accept_measured": ["entropy"]}]})
    rig = Rig(tmp_path, pool, policy, silence=lambda _header: why)
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    rig.finish(digest)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest)
    assert disposition is not None
    assert (disposition.verdict, disposition.experimental, disposition.flagged) == (verdict, bool(why), False)
    assert [reason.text for reason in disposition.reasons] == [why] * bool(why)
    assert ("experimental" in disposition.certificate) == bool(why)
    rig.database.close()


def test_other_bytes_under_the_same_uid_are_kept_judged_and_told(rig: Rig, samples: Path) -> None:
    first = rig.receive(samples / "RG3_UNCR.dcm")
    second = rig.receive(samples / "RG3_UNCR.dcm", {"PatientID": "OTHER"})
    assert rig.queue.jobs == [first, second]
    for digest in (first, second):
        rig.finish(digest)
    with rig.database.begin() as transaction:
        assessments = [instances.load_assessment(transaction, d) for d in (first, second)]
        issues = [one.plausibility for one in assessments if one is not None]
        uids = {r.sop_instance_uid for d in (first, second) for r in results_of(transaction, d)}
    assert ["conflicting_instance" in {issue.name for issue in row} for row in issues] == [False, True]
    assert len(uids) == 4, "each has an SR and a KOS of its own"
