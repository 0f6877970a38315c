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
from miqa_node.core.domain.audit import AuditEvent
from miqa_node.core.domain.delivery import ResultKind, ResultObject
from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject
from miqa_node.core.domain.label import LabelOrigin
from miqa_node.core.domain.object_store import ObjectStore, Soundness
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.ports import Assessor
from miqa_node.core.domain.verdict import Verdict
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
from miqa_node.stages.deliver.destinations import Destinations
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.projection import ProjectionUnit
from miqa_node.stages.units.rows import instances
from tests.parts import build_pipeline, results_of
from tests.policies import ACCEPT, TRIED, document, measured, policy_of

FLAG_EVERYTHING = document(
    {"measurement": "entropy", "above": 0.0, "then": "REVIEW", "reason": "unsharp"}, version="t1"
)


class ListQueue:
    """The queue as a list: the other implementation of the port."""

    def __init__(self) -> None:
        self.jobs: list[InstanceDigest] = []

    def enqueue_assess(self, connection: Any, digest: InstanceDigest, sender: str = "") -> None:
        self.jobs.append(digest)

    def enqueue_reassess(self, connection: Any, digest: InstanceDigest, generation: int) -> None:
        self.jobs.append(digest)


class Rig:
    """A pipeline with its parts at hand."""

    def __init__(
        self, folder: Path, pool: WorkerPool, policy: Policy, *, rules: AcquisitionRules | None = None,
        assessor: Assessor | None = None, enhance: Callable[[Radiograph], EnhancedImage] | None = None,
        silence: Callable[[Header], str] = lambda _header: "",
        declining: Callable[[str, Verdict], Sequence[str]] = lambda _modality, _verdict: (), relaxed_uids: bool = False,
        database_url: str = "", objects: ObjectStore | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.database = Database(database_url or f"sqlite:///{folder / 'miqa.sqlite'}")
        self.database.migrate()
        self.objects: ObjectStore = objects or DiskObjects(folder / "objects")
        self.queue = ListQueue()
        kinds = {ResultKind("SR"): ["PACS", "ARCHIVE"], ResultKind("KOS"): ["PACS"]}
        if enhance is not None:
            kinds[ResultKind("ENHANCED")] = ["ARCHIVE"]
        self.pipeline = build_pipeline(
            self.database, self.objects, self.queue, pool, policy, lambda kind: kinds.get(kind, []),
            assessor=assessor, rules=rules, enhance=enhance, silence=silence, declining=declining,
            relaxed_uids=relaxed_uids,
        )  # fmt: skip

    def receive(self, source: Path, change: dict[str, Any] | None = None) -> InstanceDigest:
        path = self.folder / "incoming.dcm"
        shutil.copy(source, path)
        if change is not None:
            ds = pydicom.dcmread(path)
            for keyword, value in change.items():
                setattr(ds, keyword, value)
            ds.save_as(path)
        digest = InstanceDigest(data_set_digest(path))
        self.pipeline.receive(
            ReceivedObject(str(path), digest, path.stat().st_size, "SCANNER", "MIQA", "127.0.0.1", datetime.now(UTC))
        )
        return digest

    def finish(self, digest: InstanceDigest) -> None:
        self.pipeline.judge(digest)

    def verdict(self, digest: InstanceDigest) -> Verdict:
        with self.database.begin() as transaction:
            disposition = instances.load_disposition(transaction, digest)
        assert disposition is not None
        return disposition.verdict

    def queued(self, digest: InstanceDigest) -> list[tuple[str, str]]:
        with self.database.begin() as transaction:
            rows = deliveries.of_instance(transaction, digest)
        return [(row.item.kind, row.destination) for row in rows if isinstance(row.item, ResultObject)]


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    yield rig
    rig.database.close()


def test_a_flagged_image_is_reported_queued_and_listed(rig: Rig, samples: Path) -> None:
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    assert rig.queue.jobs == [digest]
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW
    assert sorted(rig.queued(digest)) == [("KOS", "PACS"), ("SR", "ARCHIVE"), ("SR", "PACS")]
    with rig.database.begin() as transaction:
        [item] = worklist.select(transaction, worklist.WorklistFilter(), limit=10)
        [sr] = [r for r in results_of(transaction, digest) if r.kind == ResultKind("SR")]
    assert item.images[0].digest == digest
    report = pydicom.dcmread(rig.objects.local_path(sr.object_key))
    assert report.SOPInstanceUID == sr.sop_instance_uid
    assert report.StudyInstanceUID == item.study_instance_uid
    assert Artifacts(rig.objects).preview(digest).startswith(b"\x89PNG")


def test_a_silent_node_records_verdicts_and_asks_and_sends_nothing(
    tmp_path: Path, pool: WorkerPool, samples: Path
) -> None:
    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING), silence=lambda _header: "Only recorded.")
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW
    assert rig.queued(digest) == []
    with rig.database.begin() as transaction:
        assert worklist.select(transaction, worklist.WorklistFilter(), limit=10) == []
        disposition = instances.load_disposition(transaction, digest)
    assert disposition is not None
    assert (disposition.silent, disposition.flagged) == (True, False)
    assert disposition.reasons[-1].text == "Only recorded."
    rig.database.close()


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        (FLAG_EVERYTHING, [("KOS", "PACS"), ("SR", "ARCHIVE"), ("SR", "PACS")]),
        (document(measured("entropy"), version="t2", evidence=TRIED), [("SR", "ARCHIVE")]),
    ],
)
def test_a_destination_of_flagged_images_is_queued_nothing_about_others(
    tmp_path: Path, pool: WorkerPool, samples: Path, policy: dict[str, Any], sent: list[tuple[str, str]]
) -> None:
    rig = Rig(tmp_path, pool, parse_policy(policy), declining=flagged_only(tmp_path))
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    rig.finish(digest)
    assert sorted(rig.queued(digest)) == sent
    rig.database.close()


def flagged_only(folder: Path) -> Callable[[str, Verdict], Sequence[str]]:
    """Who declines where PACS takes flagged images only."""
    table = f'[[destination]]\nname = "PACS"\nkind = "folder"\nfolder = "{folder}"\nflagged_only = true\n'
    (folder / "destinations.toml").write_text(table)
    return Destinations(folder / "destinations.toml").declining


def test_an_enhancement_that_fails_holds_nothing_else_back(tmp_path: Path, pool: WorkerPool, samples: Path) -> None:
    def broken(_: Radiograph) -> EnhancedImage:
        raise ModelPackageError("There is no package denoiser-<version>.")

    rig = Rig(tmp_path, pool, parse_policy(FLAG_EVERYTHING), enhance=broken)
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    rig.finish(digest)
    assert sorted(rig.queued(digest)) == [("KOS", "PACS"), ("SR", "ARCHIVE"), ("SR", "PACS")]
    rig.database.close()


def test_the_stored_object_is_what_was_sent(rig: Rig, samples: Path) -> None:
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    with rig.database.begin() as transaction:
        key = instances.load(transaction, digest).object_key
    assert rig.objects.get(key) == (samples / "RG3_UNCR.dcm").read_bytes()


def test_the_same_image_again_makes_no_work(rig: Rig, samples: Path) -> None:
    first = rig.receive(samples / "RG3_UNCR.dcm")
    assert rig.receive(samples / "RG3_UNCR.dcm") == first
    assert rig.queue.jobs == [first]


def test_running_every_step_twice_changes_nothing(rig: Rig, samples: Path) -> None:
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    rig.finish(digest)
    files = {path: path.read_bytes() for path in (rig.folder / "objects").rglob("*.dcm")}
    queued = rig.queued(digest)
    rig.finish(digest)
    assert {path: path.read_bytes() for path in (rig.folder / "objects").rglob("*.dcm")} == files
    assert rig.queued(digest) == queued


def test_a_step_killed_half_way_makes_the_same_objects_again(
    rig: Rig, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    with monkeypatch.context() as patch:
        patch.setattr(instances, "save_disposition", _killed)
        with pytest.raises(KeyboardInterrupt):
            rig.finish(digest)
    made = {path.name: path.read_bytes() for path in (rig.folder / "objects" / "results").rglob("*.dcm")}
    assert len(made) == 2
    with rig.database.begin() as transaction:
        assert instances.load_assessment(transaction, digest) is None, "the transaction is all or nothing"
    rig.finish(digest)
    assert {path.name: path.read_bytes() for path in (rig.folder / "objects" / "results").rglob("*.dcm")} == made


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_kills_its_worker_is_quarantined_and_shown(
    rig: Rig, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    with monkeypatch.context() as patch:
        patch.setattr(ProjectionUnit, "judge", _killed)
        for _ in range(1 + 3):  # the first counts against nobody
            with pytest.raises(KeyboardInterrupt):
                rig.finish(digest)
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.NOT_ASSESSED
    with rig.database.begin() as transaction:
        assert worklist.count(transaction, worklist.WorklistFilter()) == 1


def test_a_report_that_cannot_be_made_hides_no_verdict(
    rig: Rig, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    monkeypatch.setattr("miqa_node.stages.units.image.make_objects", _broken)
    rig.finish(digest)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest)
    assert disposition is not None
    assert disposition.flagged
    assert "report_failed" in {reason.name for reason in disposition.reasons}
    assert rig.queued(digest) == []


def _broken(*_: object, **__: object) -> None:
    raise ValueError("Doe^Jane")


def test_work_that_is_given_up_is_on_the_worklist_once(rig: Rig, samples: Path) -> None:
    digest = rig.receive(samples / "RG3_UNCR.dcm")
    for _ in range(2):
        rig.pipeline.give_up(digest)
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.NOT_ASSESSED
    with rig.database.begin() as transaction:
        [item] = worklist.select(transaction, worklist.WorklistFilter(), limit=10)
    assert "again and again" in item.images[0].reasons[0]


def test_a_slice_waits_for_its_series(rig: Rig, samples: Path) -> None:
    rig.receive(samples / "MR2_UNCR.dcm")
    assert rig.queue.jobs == []


def report_of(rig: Rig, digest: InstanceDigest) -> pydicom.Dataset:
    with rig.database.begin() as transaction:
        [sr] = [r for r in results_of(transaction, digest) if r.kind == ResultKind("SR")]
    return pydicom.dcmread(rig.objects.local_path(sr.object_key))


def test_what_is_neither_radiograph_nor_series_is_reported_as_not_assessed(
    tmp_path: Path, pool: WorkerPool, samples: Path
) -> None:
    """The PACS can tell "not covered" from "the node is down"; a destination may decline such reports."""
    policy = policy_of({"contradiction": "blank_image", "then": "REVIEW"}, where={"radiographs": {"modality": ["CR"]}})
    asked_of: list[str] = []

    def declining(modality: str, _verdict: Verdict) -> list[str]:
        asked_of.append(modality)
        return ["ARCHIVE"]

    rig = Rig(tmp_path, pool, policy, declining=declining)
    digest = rig.receive(samples / "US1_UNCR.dcm")
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.NOT_ASSESSED
    assert rig.queued(digest) == [("SR", "PACS")]
    assert asked_of == ["US"]
    report = report_of(rig, digest)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    texts = {element.value for element in report.iterall() if element.keyword == "TextValue"}
    assert "Not assessed: Measured, experimental: limits for ultrasound have not been tried on two scanners." in texts
    with rig.database.begin() as transaction:
        assert worklist.select(transaction, worklist.WorklistFilter(), limit=10) == []
    rig.database.close()


def test_pictures_that_this_node_made_are_not_reported(rig: Rig, samples: Path) -> None:
    own = {"Manufacturer": MANUFACTURER, "ImageType": ["DERIVED", "SECONDARY", "QUALITY"]}
    digest = rig.receive(samples / "US1_UNCR.dcm", own)
    rig.finish(digest)
    assert rig.queued(digest) == []


def test_undecodable_pixels_are_an_answer(rig: Rig, samples: Path, tmp_path: Path) -> None:
    ds = pydicom.dcmread(samples / "RG3_J2KR.dcm")
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(1000)])
    ds.save_as(tmp_path / "broken.dcm")
    digest = rig.receive(tmp_path / "broken.dcm")
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.NOT_ASSESSED
    with rig.database.begin() as transaction:
        assessment = instances.load_assessment(transaction, digest)
    assert assessment is not None
    assert "could not be decoded" in assessment.not_assessed


@pytest.mark.parametrize("date", ["00010101", "99991231"])
def test_dates_at_the_ends_of_the_calendar_are_no_dates(rig: Rig, samples: Path, date: str) -> None:
    dates = {"AcquisitionDate": date, "ContentDate": date, "AcquisitionTime": "000000", "ContentTime": "000000"}
    digest = rig.receive(samples / "RG3_UNCR.dcm", dates | {"ViewPosition": "PA"})
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.REVIEW


def test_what_is_not_dicom_is_refused(rig: Rig, tmp_path: Path) -> None:
    page = tmp_path / "page.dcm"
    page.write_text("<html><body>Proxy error</body></html>" * 10)
    with pytest.raises(DataSetError):
        rig.receive(page)
    with rig.database.begin() as transaction:
        assert instances.count(transaction).received == 0


@pytest.mark.more
def test_an_accepted_image_that_is_drawn_for_an_audit_is_shown_to_people_and_to_nobody_else(
    tmp_path: Path, pool: WorkerPool, samples: Path
) -> None:
    settings = load_settings()
    package = open_package(settings.models_dir / "quality-0.9.3", Accelerator.CPU, settings.assess)
    everything_goes = policy_of(ACCEPT)
    rules = AcquisitionRules(key=b"k", rooms={"SCANNER": "Room 5"}, audit_share=1.0)
    rig = Rig(tmp_path, pool, everything_goes, rules=rules, assessor=ImageAssessor(package))
    digest = rig.receive(samples / "RG1_UNCR.dcm", {"OperatorsName": "Meier^Anna", "StationName": ""})
    rig.finish(digest)
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, digest)
        [item] = worklist.select(transaction, worklist.WorklistFilter(verdict=(Verdict.ACCEPT,)), limit=9)
        request = label_requests.find(transaction, digest, LabelOrigin.SPOT_CHECK)
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


@pytest.mark.more
@pytest.mark.parametrize("when", ["before its objects are made", "after"])
def test_of_two_processes_the_faster_one_decides_and_the_slower_one_damages_nothing(
    rig: Rig, pool: WorkerPool, samples: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """As when a process was silent for so long that another one took over its job."""
    digest, prepare = rig.receive(samples / "RG3_UNCR.dcm"), Effects.prepare
    processes = [Rig(rig.folder, pool, parse_policy(FLAG_EVERYTHING))]

    def overtaken(effects: Effects, conclusion: Conclusion) -> Conclusion:
        made = prepare(effects, conclusion) if when == "after" else None
        if processes:
            other = processes.pop()
            other.finish(digest)
            other.database.close()
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


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
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


@pytest.mark.more
@pytest.mark.parametrize(("why", "verdict"), [("", Verdict.ACCEPT), ("Silent.", Verdict.NOT_ASSESSED)])
def test_nothing_is_accepted_in_silent_days(
    tmp_path: Path, pool: WorkerPool, samples: Path, why: str, verdict: Verdict
) -> None:
    policy = policy_of(measured("entropy"), evidence=TRIED)
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


@pytest.mark.more
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
