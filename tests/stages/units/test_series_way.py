"""The way of a series: it waits until it is quiet or complete, is judged once as a whole, and late slices amend."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import UID
from structlog.testing import capture_logs

from miqa_node.core.domain.delivery import KOS, SR, ResultKind
from miqa_node.core.domain.instance import Header, InstanceDigest, ReceivedObject
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.core.settings import load_settings
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.usual_ranges.rows import baselines
from miqa_node.features.usual_ranges.work import HistoryWork
from miqa_node.features.worklist.rows import browse, history, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.store.database import Database, Transaction
from miqa_node.runtime.store.disk import DiskObjects
from miqa_node.runtime.store.verification import data_set_digest
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.assess.series import NO_SLICE
from miqa_node.stages.units.rows import instances, reassessments, series
from miqa_node.stages.units.rows.standing import standing
from miqa_node.stages.units.series import SeriesUnit
from miqa_node.stages.units.work.series import SeriesWatch
from tests.parts import build_pipeline, results_of
from tests.policies import TRIED, document, measured
from tests.stages.measure.series import making
from tests.stages.report.flagged import flagged_series

RULES = document(
    measured("ct_noise", "slice_gaps"),
    {"measurement": "slice_gaps", "above": 0, "then": "REVIEW", "reason": "111209"},
    {"measurement": "metal_share", "above": 0.01, "then": "REVIEW", "reason": "foreign_object"},
    {"measurement": "slices_unreadable", "share_of_slices": 0.9, "then": "REVIEW", "reason": "111220"},
    version="s1", where={"CT": {"modality": ["CT"]}}, evidence=TRIED,
)  # fmt: skip


class Jobs:
    """The queue as a list; a job twice is one job, as in the durable one."""

    def __init__(self) -> None:
        self.digests: list[InstanceDigest] = []

    def enqueue_assess(self, connection: Any, digest: InstanceDigest, sender: str = "") -> None:
        if digest not in self.digests:
            self.digests.append(digest)

    def enqueue_reassess(self, connection: Any, digest: InstanceDigest, generation: int) -> None:
        self.digests.append(digest)


class Rig:
    def __init__(self, folder: Path, pool: WorkerPool) -> None:
        self.folder = folder
        self.database = Database(f"sqlite:///{folder / 'miqa.sqlite'}")
        self.database.migrate()
        self.objects = DiskObjects(folder / "objects")
        self.jobs = Jobs()
        self.now = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
        kinds = {ResultKind("SR"), ResultKind("SEG"), ResultKind("SC"), KOS}
        self.pipeline = build_pipeline(
            self.database, self.objects, self.jobs, pool, parse_policy(RULES),
            lambda kind: ["PACS"] if kind in kinds else [],
        )  # fmt: skip

    def receive(self, *paths: Path) -> list[InstanceDigest]:
        digests = []
        for path in paths:
            copied = self.folder / "incoming.dcm"
            shutil.copy(path, copied)
            digest = InstanceDigest(data_set_digest(copied))
            size = copied.stat().st_size
            self.now += timedelta(seconds=0.1)
            self.pipeline.receive(ReceivedObject(str(copied), digest, size, "CT1", "MIQA", "127.0.0.1", self.now))
            digests.append(digest)
        return digests

    def look(self, after_s: float = 0.0) -> list[InstanceDigest]:
        """What becomes due so long after the last arrival."""
        with self.database.begin() as transaction:
            times = series.QuietTimes({"CT": 20.0, "MR": 60.0, "PT": 60.0})
            return series.take_due(transaction, times, self.now + timedelta(seconds=after_s))

    def finish(self, digest: InstanceDigest) -> Verdict:
        self.pipeline.judge(digest)
        with self.database.begin() as transaction:
            disposition = instances.load_disposition(transaction, digest)
        assert disposition is not None
        return disposition.verdict

    def report(self, digest: InstanceDigest, kind: ResultKind = SR) -> pydicom.FileDataset:
        with self.database.begin() as transaction:
            [result] = [r for r in results_of(transaction, digest) if r.kind == kind]
        return pydicom.dcmread(self.objects.local_path(result.object_key))


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[Rig]:
    rig = Rig(tmp_path, pool)
    yield rig
    rig.database.close()


def test_nothing_is_promised_before_the_series_is_quiet(rig: Rig, tmp_path: Path) -> None:
    digests = rig.receive(*making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(3)], "CT"))
    assert rig.jobs.digests == []
    assert rig.look(19.0) == []
    assert rig.look(21.0) == [digests[-1]]
    assert rig.look(21.0) == []


def test_a_series_that_says_how_many_it_has_does_not_wait(rig: Rig, tmp_path: Path) -> None:
    def three(dataset: pydicom.Dataset) -> None:
        dataset.NumberOfSeriesRelatedInstances = 3

    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(3)], "CT", change=three)
    digests = rig.receive(*paths[:2])
    assert rig.look() == []
    digests += rig.receive(paths[2])
    assert rig.look() == [digests[2]]


def test_a_copy_of_a_study_with_the_uids_of_its_slices_says_why_it_is_not_measured(rig: Rig, tmp_path: Path) -> None:
    def copied(dataset: pydicom.Dataset) -> None:
        dataset.StudyInstanceUID = "1.2.3.99"

    images = [making.body_ct(seed=n) for n in range(4)]
    rig.receive(*making.write_series(tmp_path / "a", images, "CT"))
    second = rig.receive(*making.write_series(tmp_path / "b", images, "CT", change=copied))
    assert second[-1] in rig.look(21.0)
    assert rig.finish(second[-1]) is Verdict.NOT_ASSESSED
    with rig.database.begin() as transaction:
        disposition = instances.load_disposition(transaction, second[0])
    assert disposition is not None
    assert [reason.text for reason in disposition.reasons] == [NO_SLICE]


def test_a_series_that_says_too_few_is_not_judged_anew_for_every_image(rig: Rig, tmp_path: Path) -> None:
    def two(dataset: pydicom.Dataset) -> None:
        dataset.NumberOfSeriesRelatedInstances = 2

    due = []
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(6)], "CT", change=two)
    for path in paths:
        digests = rig.receive(path)
        due += rig.look()
    assert len(due) == 1
    assert rig.look(21.0) == digests


def test_images_in_acquisition_end_no_wait(rig: Rig, tmp_path: Path) -> None:
    """A series of two passes announced the slices of one, and was judged, and flagged, when half of it was there."""

    def half(dataset: pydicom.Dataset) -> None:
        dataset.ImagesInAcquisition = 3

    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(6)], "CT", change=half)
    for path in paths:
        digests = rig.receive(path)
        assert not rig.look()
    assert rig.look(21.0) == digests


def test_a_series_that_was_judged_while_a_later_job_waited_is_not_judged_again(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(4)], "CT")
    rig.receive(*paths[:2])
    [first] = rig.look(21.0)
    rig.receive(*paths[2:])
    [second] = rig.look(21.0)
    rig.finish(first)
    rig.finish(second)
    with rig.database.begin() as transaction:
        assert instances.load_assessment(transaction, second) is None
        assert instances.count(transaction).decided == 4


def test_each_modality_waits_for_its_own_time(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*making.write_series(tmp_path / "s", [making.head_mr(seed=n) for n in range(2)], "MR"))
    assert rig.look(21.0) == []
    assert len(rig.look(61.0)) == 1


def test_one_job_one_report_and_a_verdict_for_every_slice(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT")
    digests = rig.receive(*paths)
    [anchor] = rig.look(30.0)
    assert rig.finish(anchor) is Verdict.ACCEPT
    with rig.database.begin() as transaction:
        assert instances.count(transaction).decided == 5
        assert sum(len(results_of(transaction, digest)) for digest in digests) == 1
        assert worklist.count(transaction, worklist.WorklistFilter()) == 0
    report = rig.report(anchor)
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    [listed] = study.ReferencedSeriesSequence
    assert listed.SeriesInstanceUID == making.SERIES
    assert {item.ReferencedSOPInstanceUID for item in listed.ReferencedSOPSequence} == {
        making.read(path).SOPInstanceUID for path in paths
    }
    assert "PredecessorDocumentsSequence" not in report


def test_a_pet_series_gets_one_report_that_says_why_it_was_not_assessed(rig: Rig, tmp_path: Path) -> None:
    def as_pet(dataset: pydicom.Dataset) -> None:
        dataset.Modality = "PT"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.128")

    paths = making.write_series(tmp_path / "in", [making.head_mr()] * 4, "MR", change=as_pet)
    digests = rig.receive(*paths)
    assert rig.jobs.digests == []
    [last] = rig.look(after_s=61.0)
    assert last == digests[-1]
    assert rig.finish(last) is Verdict.NOT_ASSESSED
    report = rig.report(last)
    texts = {element.value for element in report.iterall() if element.keyword == "TextValue"}
    assert any("limits for PET have not been tried on two scanners" in text for text in texts)
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    [images] = study.ReferencedSeriesSequence
    assert len(images.ReferencedSOPSequence) == 4
    with rig.database.begin() as transaction:
        verdicts = [instances.load_disposition(transaction, digest) for digest in digests]
        assert sum(len(results_of(transaction, digest)) for digest in digests) == 1
    assert {one.verdict for one in verdicts if one is not None} == {Verdict.NOT_ASSESSED}
    assert HistoryWork(rig.database, 0.02).look() == 1
    with rig.database.begin() as transaction:
        assert [one.scanner.modality for one in baselines.page(transaction, rig.now, limit=9)] == ["PT"]


def test_a_flagged_series_is_listed_once_with_masks_on_its_own_geometry(rig: Rig, tmp_path: Path) -> None:
    images = [making.body_ct(seed=n) for n in range(5)]
    images[1], images[3] = making.with_metal(images[1]), making.with_metal(images[3])
    rig.receive(*making.write_series(tmp_path / "s", images, "CT"))
    [anchor] = rig.look(30.0)
    assert rig.finish(anchor) is Verdict.REVIEW
    with rig.database.begin() as transaction:
        [item] = worklist.select(transaction, worklist.WorklistFilter(), limit=10)
    assert [image.digest for image in item.images] == [anchor]
    seg = rig.report(anchor, ResultKind("SEG"))
    assert seg.FrameOfReferenceUID == making.FRAME_OF_REFERENCE
    placed = {
        f.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID: float(
            f.PlanePositionSequence[0].ImagePositionPatient[2]
        )
        for f in seg.PerFrameFunctionalGroupsSequence
    }
    assert placed == {f"{making.SERIES}.2": 5.0, f"{making.SERIES}.4": 15.0}
    assert seg.pixel_array.sum() == 2 * 160
    assert [list(f.FrameContentSequence[0].DimensionIndexValues) for f in seg.PerFrameFunctionalGroupsSequence] == [
        [1, 1],
        [1, 2],
    ]
    assert rig.report(anchor, ResultKind("SC")).Columns >= 768


def seen(rig: Rig, digests: list[InstanceDigest]) -> set[tuple[Verdict, bool]]:
    """Verdict and flag of each member, with a check that all lists of the node say the same."""
    with rig.database.begin() as transaction:
        of = tables.dispositions.c
        rows = transaction.execute(sa.select(of.verdict, of.flagged).where(of.digest.in_(digests))).all()
        study = instances.load(transaction, digests[0]).header.study_instance_uid
        [series] = history.by_series(transaction, study, limit=9)
        [assessed] = [one for one in history.members(transaction, study) if one.assessed]
        match = browse.ImageFilter(since=rig.now - timedelta(days=1), until=rig.now + timedelta(days=1))
        [row] = browse.page(transaction, match, limit=9)
        flagged = {image.digest for item in worklist.select(transaction, ANY, limit=9) for image in item.images}
    verdicts = {(Verdict(row.verdict), row.flagged) for row in rows}
    [verdict] = {verdict for verdict, _ in verdicts}
    assert (series.verdict, assessed.verdict, row.verdict) == (verdict, verdict, verdict)
    assert series.image.instance.digest == assessed.digest
    assert flagged == ({assessed.digest} if (verdict, True) in verdicts else set())
    return verdicts


def late(transaction: Transaction, header: Header) -> str:
    unit = standing(transaction, header)
    assert unit is not None
    return unit.late.sentence


ANY = worklist.WorklistFilter()
ACCEPTED, REVIEWED = {(Verdict.ACCEPT, False)}, {(Verdict.REVIEW, True), (Verdict.REVIEW, False)}


def test_slices_that_come_after_others_are_gone_join_the_verdict_that_stands(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(6)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.REVIEW
    with rig.database.begin() as transaction:
        header, key = instances.load(transaction, digests[0]).header, instances.load(transaction, digests[0]).object_key
        values = {"removed_at": rig.now, "removal_cause": RemovalCause.AGE.value}
        transaction.execute(sa.update(tables.instances).where(tables.instances.c.digest == digests[0]).values(**values))
    rig.objects.local_path(key).unlink()
    digests += rig.receive(paths[2])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.REVIEW
    assert seen(rig, digests) == REVIEWED
    with rig.database.begin() as transaction:
        assert late(transaction, header).endswith("its verdict stands. Came later: 1.")
        assert history.of_worklist(transaction, header.study_instance_uid)[-1].action == "not judged again"


def kos_of(rig: Rig, digest: InstanceDigest) -> list[pydicom.FileDataset]:
    with rig.database.begin() as transaction:
        made = [one for one in results_of(transaction, digest) if one.kind == KOS]
    return [pydicom.dcmread(rig.objects.local_path(one.object_key)) for one in made]


def test_a_slice_sent_twice_starts_nothing_new(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(2)], "CT")
    rig.receive(*paths)
    [anchor] = rig.look(30.0)
    rig.finish(anchor)
    rig.receive(*paths)
    assert rig.look(30.0) == []


def test_running_a_step_twice_changes_nothing(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(3)], "CT"))
    [anchor] = rig.look(30.0)
    rig.finish(anchor)
    before = rig.report(anchor)
    rig.finish(anchor)
    assert rig.report(anchor) == before


def test_a_series_that_kills_its_worker_is_given_up_and_every_slice_says_so(rig: Rig, tmp_path: Path) -> None:
    rig.receive(*making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(3)], "CT"))
    [anchor] = rig.look(30.0)
    with rig.database.begin() as transaction:
        for _ in range(1 + 3):  # the first counts against nobody
            instances.begin_attempt(transaction, anchor, datetime.now(UTC))
    assert rig.finish(anchor) is Verdict.NOT_ASSESSED
    with rig.database.begin() as transaction:
        assert instances.count(transaction).decided == 3
        assert worklist.count(transaction, worklist.WorklistFilter()) == 1
        assert history.of_instance(transaction, anchor).disposition is not None


def test_the_watch_promises_the_job_of_a_due_series_once(rig: Rig, tmp_path: Path) -> None:
    rig.now = datetime.now(UTC) - timedelta(minutes=5)
    digests = rig.receive(*making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(2)], "CT"))
    watch = SeriesWatch(rig.database, rig.jobs, load_settings().work)
    assert (watch.look(), watch.look()) == (1, 0)
    assert rig.jobs.digests == [digests[-1]]


def test_a_series_that_cannot_be_read_is_flagged_in_the_end(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(SeriesUnit, "judge", fail)
    rig.receive(*making.write_series(tmp_path / "slices", [making.body_ct()], "CT"))
    [digest] = rig.look(30.0)
    for _ in range(1 + 3):  # the first, and the limit
        with pytest.raises(ZeroDivisionError):
            rig.pipeline.judge(digest)
    with capture_logs() as lines:
        assert rig.finish(digest) is Verdict.NOT_ASSESSED
    assert [line["event"] for line in lines if line["log_level"] == "error"] == []
    with rig.database.begin() as transaction:
        assert results_of(transaction, digest) == []


@pytest.mark.more
def test_what_a_person_decided_stands_beside_a_later_verdict(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    rig.finish(rig.look(30.0)[0])
    with rig.database.begin() as transaction:
        study = instances.load(transaction, digests[0]).header.study_instance_uid
        worklist.resolve(transaction, study, Resolution.DISMISSED, "anna", "", rig.now)
    digests += rig.receive(paths[2])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    assert seen(rig, digests) == ACCEPTED
    with rig.database.begin() as transaction:
        item = worklist.show(transaction, study)
    assert (item.state, item.resolution, item.resolved_by) == (WorklistState.RESOLVED, Resolution.DISMISSED, "anna")


@pytest.mark.more
def test_a_judgement_that_was_asked_for_before_more_came_changes_nothing_after_it(rig: Rig, tmp_path: Path) -> None:
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(5)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    [first] = rig.look(30.0)
    rig.finish(first)
    with rig.database.begin() as transaction:
        assert reassessments.ask(transaction, first, "anna", "", rig.now) == 1
    digests += rig.receive(paths[2])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    rig.finish(first)
    assert seen(rig, digests) == ACCEPTED
    with rig.database.begin() as transaction:
        assert not reassessments.count_waiting(transaction)


@pytest.mark.more
@pytest.mark.parametrize(("modality", "flagged"), [("CT", "Metal"), ("MR", "Body at end of phase direction")])
def test_what_flagged_a_series_is_the_first_number_of_its_report(modality: str, flagged: str, tmp_path: Path) -> None:
    made = {item.kind: item for item in flagged_series(tmp_path / "series", modality)}
    for kind in ("SR", "SR_FULL"):
        report = pydicom.dcmread(BytesIO(made[ResultKind(kind)].data))
        (groups,) = (c for c in report.ContentSequence if c.ConceptNameCodeSequence[0].CodeValue == "126010")
        numbers = [item for item in groups.ContentSequence[0].ContentSequence if item.ValueType == "NUM"]
        assert numbers[0].ConceptNameCodeSequence[0].CodeMeaning == flagged
    units = {
        one.ConceptNameCodeSequence[0].CodeMeaning: one.MeasuredValueSequence[0]
        .MeasurementUnitsCodeSequence[0]
        .CodeValue
        for one in numbers
    }
    assert (units["Number of slices"], units["Gaps between slices"]) == ("{slices}", "{gaps}")


@pytest.mark.more
def test_late_slices_amend(rig: Rig, tmp_path: Path) -> None:
    images = [making.body_ct(seed=n) for n in range(6)]
    paths = making.write_series(tmp_path / "s", images, "CT")
    rig.receive(paths[0], paths[1], paths[3], paths[4])
    [first] = rig.look(30.0)
    assert rig.finish(first) is Verdict.REVIEW  # a slice is missing
    rig.receive(paths[2], paths[5])
    [second] = rig.look(30.0)
    assert second != first
    assert rig.finish(second) is Verdict.ACCEPT
    amended = rig.report(second)
    [study] = amended.PredecessorDocumentsSequence
    [reference] = study.ReferencedSeriesSequence
    earlier = rig.report(first)
    assert reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == earlier.SOPInstanceUID
    assert reference.SeriesInstanceUID == earlier.SeriesInstanceUID
    assert amended.SOPInstanceUID != earlier.SOPInstanceUID
    with rig.database.begin() as transaction:
        assert instances.count(transaction).decided == 6


@pytest.mark.more
def test_two_studies_that_share_the_uid_of_a_series_are_judged_apart(rig: Rig, tmp_path: Path) -> None:
    def copied(dataset: pydicom.Dataset) -> None:
        dataset.StudyInstanceUID, dataset.PatientID = "1.2.3.99", "ANOTHER"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{dataset.SOPInstanceUID}.9")

    images = [making.body_ct(seed=n) for n in range(4)]
    first = rig.receive(*making.write_series(tmp_path / "a", images, "CT"))
    second = rig.receive(*making.write_series(tmp_path / "b", images, "CT", change=copied))
    assert set(rig.look(21.0)) == {first[-1], second[-1]}
    for digests in (first, second):
        assert rig.finish(digests[-1]) is Verdict.ACCEPT
        report = rig.report(digests[-1])
        with rig.database.begin() as transaction:
            stored = [instances.load(transaction, digest) for digest in digests]
        [study] = {one.header.study_instance_uid for one in stored if one is not None}
        [listed] = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        assert report.StudyInstanceUID == study
        assert {one.ReferencedSOPInstanceUID for one in listed.ReferencedSOPSequence} == {
            one.header.sop_instance_uid for one in stored if one is not None
        }


@pytest.mark.more
def test_a_series_has_one_verdict_when_more_of_it_comes(rig: Rig, tmp_path: Path) -> None:
    """Nine slices were REVIEW and three ACCEPT, the worklist open, and the page of the study said accepted."""
    paths = making.write_series(tmp_path / "s", [making.body_ct(seed=n) for n in range(7)], "CT")
    digests = rig.receive(paths[0], paths[1], paths[3], paths[4])
    assert rig.finish(rig.look(30.0)[0]) is Verdict.REVIEW
    assert seen(rig, digests) == REVIEWED
    [note] = [one for digest in digests for one in kos_of(rig, digest)]
    digests += rig.receive(paths[2])
    with rig.database.begin() as transaction:
        header = instances.load(transaction, digests[0]).header
        assert late(transaction, header) == "More of the series came, being measured: 1."
    assert rig.finish(rig.look(30.0)[0]) is Verdict.ACCEPT
    assert seen(rig, digests) == ACCEPTED
    with rig.database.begin() as transaction:
        item = worklist.show(transaction, header.study_instance_uid)
        events = history.of_worklist(transaction, header.study_instance_uid)
        assert not late(transaction, header)
    assert (item.state, item.resolved_by) == (WorklistState.RESOLVED, "miqa-node")
    assert events[-1].comment.endswith("More of its series came, and all was judged: accepted.")
    [withdrawal] = kos_of(rig, digests[-1])
    assert withdrawal.ConceptNameCodeSequence[0].CodeValue == "QI_WITHDRAWN"
    assert note.SOPInstanceUID in str(withdrawal)

    digests += rig.receive(paths[6])  # and the next one begins a gap
    assert rig.finish(rig.look(30.0)[0]) is Verdict.REVIEW
    assert seen(rig, digests) == REVIEWED
    with rig.database.begin() as transaction:
        assert worklist.show(transaction, header.study_instance_uid).state is WorklistState.OPEN
