"""The same image from modality and router is one image: one verdict, one report, one row, whatever the order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from miqa_node.core.domain.delivery import SR
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.retention import RemovalCause
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.backup import work as backup
from miqa_node.features.backup.rows import Check, Fault
from miqa_node.features.retention.rows import erasure
from miqa_node.features.worklist.rows import history
from miqa_node.runtime.store import tables as t
from miqa_node.runtime.store import upkeep
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.units.rows import copies, removal
from miqa_node.stages.units.work.better_copies import BetterCopies
from miqa_selftest.encodings import ENCODINGS, encoded
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.parts import results_of
from tests.stages.measure.series import making
from tests.stages.units.test_series_way import Rig as SeriesRig

pytestmark = pytest.mark.more

BY_SYNTAX = {one.syntax: one for one in ENCODINGS}
NATIVE, NEAR = ExplicitVRLittleEndian, JPEGLSNearLossless
LOSSLESS = (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless)
TWO_DATABASES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.peers))


class CopyRig(Rig):
    """Receives one radiograph in several encodings."""

    source: Path

    def come(self, syntax: UID, **elements: Any) -> InstanceDigest:
        ds = pydicom.dcmread(self.source)
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        path = self.folder / "encoded.dcm"
        path.write_bytes(encoded(ds, BY_SYNTAX[syntax]))
        return self.receive(path)

    def finish_all(self, *digests: InstanceDigest) -> None:
        for digest in digests:
            self.finish(digest)

    def instances(self) -> list[Any]:
        with self.database.begin() as transaction:
            return list(transaction.execute(sa.select(t.instances).order_by(t.instances.c.received_at)))

    def reports(self) -> list[pydicom.Dataset]:
        with self.database.begin() as transaction:
            made = [one for row in self.instances() for one in results_of(transaction, row.digest) if one.kind == SR]
        return [pydicom.dcmread(self.objects.local_path(one.object_key)) for one in made]

    def history(self) -> history.InstanceHistory:
        [row] = self.instances()
        with self.database.begin() as transaction:
            return history.of_instance(transaction, row.digest)

    def better(self) -> list[InstanceDigest]:
        """Judgements of better copies, done."""
        before = len(self.queue.jobs)
        BetterCopies(self.database, self.queue).look()
        jobs = self.queue.jobs[before:]
        self.finish_all(*jobs)
        return jobs

    def has(self, *digests: InstanceDigest) -> list[bool]:
        return [self.objects.exists(original_key(one)) for one in digests]


@pytest.fixture(params=TWO_DATABASES)
def rig(request: pytest.FixtureRequest, tmp_path: Path, pool: WorkerPool, samples: Path) -> Iterator[CopyRig]:
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    yield from _rig(tmp_path, pool, samples, url)


@pytest.fixture
def one_rig(tmp_path: Path, pool: WorkerPool, samples: Path) -> Iterator[CopyRig]:
    yield from _rig(tmp_path, pool, samples, "")


def _rig(tmp_path: Path, pool: WorkerPool, samples: Path, url: str) -> Iterator[CopyRig]:
    source = tmp_path / "source.dcm"
    ds = pydicom.dcmread(samples / "RG3_UNCR.dcm")
    small = ds.pixel_array[:512, :480]
    ds.Rows, ds.Columns, ds.PixelData = *small.shape, small.tobytes()
    ds.PatientID = "P1"
    ds.save_as(source)
    rig = CopyRig(tmp_path, pool, parse_policy(FLAG_EVERYTHING), database_url=url)
    rig.source = source
    yield rig
    rig.database.close()


def issues(rig: CopyRig) -> list[str]:
    with rig.database.begin() as transaction:
        documents = [history.of_instance(transaction, row.digest).assessment for row in rig.instances()]
    return [issue.name for one in documents if one is not None for issue in one.plausibility]


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda one: one.name)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_same_image_in_another_encoding_is_one_image(one_rig: CopyRig, syntax: UID, is_first: bool) -> None:
    rig = one_rig
    first, second = [rig.come(one) for one in ((syntax, NATIVE) if is_first else (NATIVE, syntax))]
    rig.finish_all(first, second)
    [row] = rig.instances()
    assert (row.digest, row.conflicting) == (first, False)
    assert len(rig.reports()) == 1
    assert "conflicting_instance" not in issues(rig)
    [copy] = rig.history().copies
    assert (copy.digest, copy.is_lossy, copy.calling_ae_title) == (second, False, "SCANNER")
    with rig.database.begin() as transaction:
        counted = transaction.execute(sa.select(sa.func.count()).select_from(t.acquisitions)).scalar_one()
        flagged = transaction.execute(sa.select(t.worklist)).all()
    assert (counted, len(flagged)) == (1, 1)
    assert rig.better() == []


def test_what_an_archive_corrected_is_the_same_image(rig: CopyRig) -> None:
    first = rig.come(NATIVE)
    corrected = rig.come(ImplicitVRLittleEndian, PatientName="New^Name", AccessionNumber="7", IssuerOfPatientID="PACS")
    rig.finish_all(first, corrected)
    assert [row.digest for row in rig.instances()] == [first]
    assert _rows(rig, t.patient_conflicts) == []


@pytest.mark.parametrize("elements", [{"PatientID": "P2"}, {"PhotometricInterpretation": "MONOCHROME2"}])
def test_another_image_or_patient_under_the_uid_is_a_conflict(rig: CopyRig, elements: dict[str, Any]) -> None:
    first, second = rig.come(NATIVE), rig.come(JPEGLSLossless, **elements)
    rig.finish_all(first, second)
    assert [row.conflicting for row in rig.instances()] == [False, True]
    assert len(rig.reports()) == 2
    assert issues(rig).count("conflicting_instance") == 1


def test_a_conflict_that_two_receivers_did_not_see_is_seen_when_it_is_judged(rig: CopyRig) -> None:
    """On PostgreSQL two transactions that commit at once do not see each other's rows."""
    first, second = rig.come(NATIVE), rig.come(NATIVE, PhotometricInterpretation="MONOCHROME2")
    with rig.database.begin() as transaction:
        transaction.execute(sa.update(t.instances).values(conflicting=False))
    rig.finish_all(second, first)
    assert [row.conflicting for row in rig.instances()] == [False, True]
    assert issues(rig).count("conflicting_instance") == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_both_at_once_on_two_associations_are_one_image(rig: CopyRig, order: tuple[int, int]) -> None:
    syntaxes, at_once = (NATIVE, JPEGLSLossless), threading.Barrier(2)
    files = []
    for number, syntax in enumerate(syntaxes):
        files.append(rig.folder / f"{number}.dcm")
        files[-1].write_bytes(encoded(pydicom.dcmread(rig.source), BY_SYNTAX[syntax]))
    rigs = [_beside(rig, f"receiver-{number}") for number in order]

    def receive(receiver: CopyRig, file: Path) -> InstanceDigest:
        at_once.wait(60.0)
        digest = receiver.receive(file)
        at_once.wait(60.0)
        receiver.finish(digest)
        return digest

    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(receive, *pair) for pair in zip(rigs, (files[n] for n in order), strict=True)]
        digests = {one.result() for one in done}
    [row] = rig.instances()
    assert len(digests) == 2
    assert row.digest in digests
    assert len(rig.reports()) == 1
    assert "conflicting_instance" not in issues(rig)


def _beside(rig: CopyRig, name: str) -> CopyRig:
    """The same node as seen by one of its associations."""
    other = object.__new__(CopyRig)
    vars(other).update(vars(rig))
    other.folder = rig.folder / name
    other.folder.mkdir()
    return other


def test_a_worse_copy_changes_nothing_and_says_so(rig: CopyRig) -> None:
    first = rig.come(NATIVE)
    rig.finish(first)
    before = rig.history()
    rig.finish(rig.come(NEAR))
    after = rig.history()
    assert [one.is_lossy for one in after.copies] == [True]
    assert (after.assessment, after.results, rig.better()) == (before.assessment, before.results, [])


def test_a_better_copy_is_judged_instead_and_the_report_amended(rig: CopyRig) -> None:
    first = rig.come(NEAR)
    rig.finish(first)
    second = rig.come(NATIVE)
    rig.finish(second)
    assert rig.better() == [first]
    assert rig.better() == []
    [row] = rig.instances()
    assert (row.digest, row.object_key, row.copy_digest, row.generation) == (first, original_key(second), second, 1)
    after = rig.history()
    assert after.assessment is not None
    assert after.assessment.header.transfer_syntax_uid == NATIVE
    reports = sorted(rig.reports(), key=lambda report: "PredecessorDocumentsSequence" in report)
    assert ["PredecessorDocumentsSequence" in report for report in reports] == [False, True]
    assert [one.comment for one in _rows(rig, t.reassessments)] == ["A copy without lossy compression came."]
    assert rig.has(first, second) == [True, True]


def test_a_better_copy_waits_for_the_first_verdict(rig: CopyRig) -> None:
    first, second = rig.come(NEAR), rig.come(NATIVE)
    rig.finish(second)
    assert rig.better() == []
    rig.finish(first)
    assert rig.better() == [first]
    assert len(rig.instances()) == 1


def test_a_process_that_was_killed_before_or_after_goes_on(rig: CopyRig, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = rig.come(NATIVE), rig.come(RLELossless)
    rig.finish(first)
    with monkeypatch.context() as patch:
        patch.setattr(copies, "take", _killed)
        with pytest.raises(KeyboardInterrupt):
            rig.pipeline.judge(second)
    rig.pipeline.judge(second)
    for _ in range(2):  # killed after the copy was recorded: the job runs again
        rig.pipeline.judge(second)
        rig.pipeline.give_up(second)
    assert [row.digest for row in rig.instances()] == [first]
    assert len(rig.reports()) == 1


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_its_bytes_once_more_are_known(rig: CopyRig) -> None:
    first, second = rig.come(NATIVE), rig.come(RLELossless)
    rig.finish_all(first, second)
    rig.queue.jobs.clear()
    assert rig.come(RLELossless) == second
    assert rig.queue.jobs == []
    assert [row.digest for row in rig.instances()] == [first]
    assert [row.digest for row in _rows(rig, t.copies)] == [second]


def test_both_files_go_with_the_image_and_either_brings_it_back(rig: CopyRig) -> None:
    first, second = rig.come(NATIVE), rig.come(RLELossless)
    rig.finish_all(first, second)
    for syntax, key in ((RLELossless, second), (NATIVE, first)):
        _remove(rig, RemovalCause.AGE)
        assert rig.has(first, second) == [False, False]
        rig.come(syntax)
        [row] = rig.instances()
        assert (row.removed_at, row.object_key) == (None, original_key(key))
        assert rig.history().instance.header.transfer_syntax_uid == syntax
        assert rig.objects.exists(row.object_key)


def test_an_erasure_takes_both_files_and_its_proof_names_both(rig: CopyRig) -> None:
    first, second = rig.come(NATIVE), rig.come(RLELossless)
    rig.finish_all(first, second)
    now = datetime.now(UTC)
    with rig.database.begin() as transaction:
        record = erasure.erase(transaction, "P1", "asked", "ada", now)
    erasure.delete_files(rig.database, rig.objects, record, now)
    assert record.images == tuple(sorted((first, second)))
    assert rig.has(first, second) == [False, False]


def test_its_file_is_no_orphan_is_in_backups_and_missed_when_lost(one_rig: CopyRig, tmp_path: Path) -> None:
    rig = one_rig
    first, second = rig.come(NATIVE), rig.come(RLELossless)
    rig.finish_all(first, second)
    later = datetime.now(UTC) + timedelta(days=3)
    for shard in upkeep.shards():
        assert upkeep.sweep_orphans(rig.database, rig.objects, shard, later) == (0, 0)
    assert rig.has(first, second) == [True, True]
    backup.back_up(rig.database, rig.objects, rig.folder, tmp_path / "backup")
    assert (tmp_path / "backup" / "objects" / original_key(second)).is_file()

    def check(*, repair: bool) -> list[str]:
        check = Check(rig.database, rig.objects, frozenset, frozenset({"PACS", "ARCHIVE"}), lambda *_: None, later)
        return [one.what for one in check.run(repair=repair) if one.fault is Fault.COPY_LOST]

    size = rig.objects.stat(original_key(second)).size_bytes
    with rig.database.begin() as transaction:
        transaction.execute(sa.update(t.copies).values(file_bytes=size))
    assert check(repair=False) == []
    rig.objects.delete([original_key(second)])
    assert check(repair=True) == [second]
    assert check(repair=False) == []


@pytest.mark.parametrize("is_lossy", [False, True])
def test_a_copy_takes_the_place_of_an_original_that_was_lost(one_rig: CopyRig, *, is_lossy: bool) -> None:
    rig = one_rig
    first, second = rig.come(NATIVE), rig.come(NEAR if is_lossy else RLELossless)
    third = rig.come(JPEGLSLossless)
    rig.finish_all(first, second, third)
    before = rig.history().assessment
    later = datetime.now(UTC) + timedelta(days=3)

    def lost(digest: InstanceDigest, *, repair: bool = True) -> list[Fault]:
        rig.objects.delete([original_key(digest)])
        check = Check(rig.database, rig.objects, frozenset, frozenset({"PACS", "ARCHIVE"}), lambda *_: None, later)
        return [one.fault for one in check.run(repair=repair)]

    assert lost(first, repair=False) == [Fault.ORIGINAL_LOST]
    assert [row.object_key for row in rig.instances()] == [original_key(first)]
    assert lost(first) == [Fault.ORIGINAL_LOST]
    chosen, other = (third, second) if is_lossy else (second, third)  # one without loss first, the older first
    [row] = rig.instances()
    assert (row.digest, row.object_key, row.removed_at) == (first, original_key(chosen), None)
    assert rig.history().assessment == before
    assert lost(chosen) == [Fault.ORIGINAL_LOST]
    assert [row.object_key for row in rig.instances()] == [original_key(other)]
    assert lost(other) == [Fault.ORIGINAL_LOST]
    assert [row.removal_cause for row in rig.instances()] == [RemovalCause.LOST.value]


def test_a_promise_made_for_a_copy_is_kept_with_its_image(rig: CopyRig) -> None:
    first, second = rig.come(NATIVE), rig.come(RLELossless)
    with rig.database.begin() as transaction:
        own = sa.update(t.instances).where(t.instances.c.digest == second)
        transaction.execute(own.values(promised_at=datetime.now(UTC)))
    rig.finish_all(first, second)
    assert rig.instances()[0].promised_at is not None


def test_a_series_once_more_is_one_series(tmp_path: Path, pool: WorkerPool) -> None:
    rig = SeriesRig(tmp_path, pool)
    slices = making.write_series(tmp_path / "slices", [making.body_ct(seed=n) for n in range(6)], "CT")
    again = []
    for path in slices:
        ds = pydicom.dcmread(path)
        again.append(tmp_path / f"again-{path.name}")
        again[-1].write_bytes(encoded(ds, BY_SYNTAX[RLELossless]))
    rig.receive(*slices)
    _judge_due(rig)
    rig.receive(*again)
    _judge_due(rig)
    with rig.database.begin() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(t.instances)).scalar_one() == 6
        assert transaction.execute(sa.select(sa.func.count()).select_from(t.copies)).scalar_one() == 6
        reports = transaction.execute(sa.select(t.results).where(t.results.c.kind == SR)).all()
    assert len(reports) == 1
    rig.database.close()


def test_of_a_series_that_came_twice_at_once_new_slices_are_judged_once(tmp_path: Path, pool: WorkerPool) -> None:
    """The last to arrive stands for the series, and is a copy."""
    rig = SeriesRig(tmp_path, pool)
    slices = making.write_series(tmp_path / "slices", [making.body_ct(seed=n) for n in range(6)], "CT")
    for path in slices:
        other = tmp_path / f"again-{path.name}"
        other.write_bytes(encoded(pydicom.dcmread(path), BY_SYNTAX[ImplicitVRLittleEndian]))
        rig.receive(path, other)
    _judge_due(rig)
    _judge_due(rig)
    with rig.database.begin() as transaction:
        undecided = sa.select(t.instances.c.digest).where(
            ~sa.exists().where(t.dispositions.c.digest == t.instances.c.digest)
        )
        assert transaction.execute(undecided).all() == []
        reports = transaction.execute(sa.select(t.results).where(t.results.c.kind == SR)).all()
        assert transaction.execute(sa.select(sa.func.count()).select_from(t.instances)).scalar_one() == 6
    assert len(reports) == 1
    rig.database.close()


def _judge_due(rig: SeriesRig) -> None:
    for digest in rig.look(21.0):
        rig.pipeline.judge(digest)


def _rows(rig: CopyRig, table: sa.Table) -> list[Any]:
    with rig.database.begin() as transaction:
        return list(transaction.execute(sa.select(table)))


def _remove(rig: CopyRig, cause: RemovalCause) -> None:
    now = datetime.now(UTC)
    with rig.database.begin() as transaction:
        values = {"removed_at": now, "removal_cause": cause.value, "deleted_at": None}
        transaction.execute(sa.update(t.instances).values(values))
    removal.delete_marked(rig.database, rig.objects, now, 100)
