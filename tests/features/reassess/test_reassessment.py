"""Images are judged again: reports name their predecessors, key objects are withdrawn, the newest verdict counts."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import KOS, SR, ResultKind
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.reassessment import ReassessmentFilter
from miqa_node.core.domain.rule import Outcome
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import Resolution, WorklistState
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.errors import ConflictError
from miqa_node.features.analysis import tables as analysis_tables
from miqa_node.features.analysis.rows import measurement_weeks
from miqa_node.features.reassess.reassessment import GONE, UNPLACED, UNREADABLE, WAITING, Reassessment
from miqa_node.features.worklist.rows import corrections, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from miqa_node.stages.deliver.rows import deliveries
from miqa_node.stages.units.projection import ProjectionUnit
from miqa_node.stages.units.rows import instances, judgements
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.parts import any_model, results_of
from tests.policies import TRIED, document, measured

SMALL = "RG3_UNCR.dcm"
PASS_EVERYTHING = document(measured("entropy"), version="t2", evidence=TRIED)


class AgainRig(Rig):
    """The same data under another policy, as after a change of it."""

    def under(self, policy: dict[str, Any], pool: WorkerPool) -> AgainRig:
        self.database.close()
        after = AgainRig(self.folder, pool, parse_policy(policy))
        self.database = after.database  # for whoever closes this one
        return after

    @property
    def service(self) -> Reassessment:
        return Reassessment(self.database, self.objects, self.queue, any_model)

    def again(self, **chosen: Any) -> int:
        return self.service.begin(self.service.plan(ReassessmentFilter(**chosen)), "anna", "mended", datetime.now(UTC))

    def files(self, digest: InstanceDigest, kind: ResultKind) -> list[pydicom.FileDataset]:
        """Objects of a kind, in the order of the judgements."""
        results = tables.results
        query = sa.select(results).where(results.c.digest == digest, results.c.kind == kind)
        with self.database.begin() as transaction:
            rows = transaction.execute(query.order_by(results.c.generation)).all()
        return [pydicom.dcmread(self.objects.local_path(row.object_key)) for row in rows]

    def everything(self) -> dict[str, list[Any]]:
        """Every row and file, without what counts attempts."""
        with self.database.begin() as transaction:
            rows = {
                table.name: sorted(map(repr, transaction.execute(sa.select(table))))
                for table in tables.all_tables().sorted_tables
            }
        return rows | {"files": sorted((self.folder / "objects").rglob("*"))}


@pytest.fixture
def rig(tmp_path: Path, pool: WorkerPool) -> Iterator[AgainRig]:
    rig = AgainRig(tmp_path, pool, parse_policy(FLAG_EVERYTHING))
    yield rig
    rig.database.close()


def test_a_flag_that_no_longer_holds_is_taken_back_everywhere(rig: AgainRig, pool: WorkerPool, samples: Path) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    [first], [noted] = rig.files(digest, SR), rig.files(digest, KOS)
    rig = rig.under(PASS_EVERYTHING, pool)
    assert rig.again(verdicts=(Verdict.REVIEW,)) == 1
    assert rig.verdict(digest) is Verdict.REVIEW, "until there is another"
    rig.finish(digest)
    assert rig.verdict(digest) is Verdict.ACCEPT

    [_, second] = rig.files(digest, SR)
    [named] = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert named.SeriesInstanceUID == first.SeriesInstanceUID
    assert named.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert second.SOPInstanceUID != first.SOPInstanceUID
    assert second.SeriesInstanceUID != first.SeriesInstanceUID

    [_, withdrawn] = rig.files(digest, KOS)
    assert withdrawn.ConceptNameCodeSequence[0].CodeValue == "QI_WITHDRAWN"
    image = pydicom.dcmread(samples / SMALL).SOPInstanceUID
    references = [item for item in withdrawn.ContentSequence if item.ValueType == "COMPOSITE"]
    assert [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in references] == [noted.SOPInstanceUID]
    assert image not in str(withdrawn)
    assert withdrawn.PatientID == noted.PatientID
    assert ("KOS", "PACS") in rig.queued(digest)[3:]

    with rig.database.begin() as transaction:
        item = worklist.show(transaction, str(first.StudyInstanceUID))
        exposure = transaction.execute(sa.select(tables.acquisitions)).one()
        request = transaction.execute(sa.select(tables.reassessments)).one()
    assert (item.state, item.resolved_by) == (WorklistState.RESOLVED, "miqa-node")
    assert exposure.verdict == "ACCEPT"
    assert (request.asked_by, request.comment, request.earlier["verdict"]) == ("anna", "mended", "REVIEW")


def test_a_verdict_without_a_table_of_rules_is_given_again_with_the_same_reasons(rig: AgainRig, samples: Path) -> None:
    """So an earlier version stored it."""
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    with rig.database.begin() as transaction:
        transaction.execute(sa.update(tables.dispositions).values(rules=sa.null()))
        before = instances.load_disposition(transaction, digest)
    assert before is not None
    assert (before.verdict, before.rules) == (Verdict.REVIEW, ())
    rig.again(uids=(digest,))
    rig.finish(digest)
    with rig.database.begin() as transaction:
        after = instances.load_disposition(transaction, digest)
    assert after is not None
    assert replace(after, rules=()) == before
    assert {row.what for row in after.rules if row.outcome is Outcome.FLAGS} == {one.name for one in before.reasons}


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_object_whose_uids_were_given_gets_its_report(rig: AgainRig, samples: Path) -> None:
    lost = rig.receive(samples / SMALL, {"StudyInstanceUID": "", "SeriesInstanceUID": ""})
    rig.finish(lost)
    assert rig.files(lost, SR) == []
    corrections.give_uids(rig.database, rig.objects, lost, "1.2.77", "1.2.78", "anna", datetime.now(UTC))
    assert rig.again(uids=("1.2.77",)) == 1
    rig.finish(lost)
    [report] = rig.files(lost, SR)
    assert report.StudyInstanceUID == "1.2.77"
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    assert next(one.SeriesInstanceUID for one in study.ReferencedSeriesSequence) == "1.2.78"
    with rig.database.begin() as transaction:
        assert worklist.show(transaction, "1.2.77").verdict is Verdict.REVIEW
        assert transaction.execute(sa.select(tables.acquisitions)).one().verdict == "REVIEW"


@pytest.mark.more
def test_every_step_may_be_killed_and_run_again(
    rig: AgainRig, pool: WorkerPool, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig = rig.under(PASS_EVERYTHING, pool)
    rig.again(uids=(digest,))
    assert rig.again(uids=(digest,)) == 0, "it waits already"
    with monkeypatch.context() as patch:
        patch.setattr(judgements, "save", _killed)
        with pytest.raises(KeyboardInterrupt):
            rig.pipeline.judge(digest)
    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "record_result", _killed)
        with pytest.raises(KeyboardInterrupt):
            rig.pipeline.judge(digest)
    assert rig.verdict(digest) is Verdict.REVIEW, "the transaction is all or nothing"
    made = {path: path.read_bytes() for path in (rig.folder / "objects" / "results").rglob("*.dcm")}
    rig.pipeline.judge(digest)
    assert {path: path.read_bytes() for path in (rig.folder / "objects" / "results").rglob("*.dcm")} == made
    assert rig.verdict(digest) is Verdict.ACCEPT
    state = rig.everything()
    rig.finish(digest)
    rig.pipeline.give_up(digest)
    assert rig.everything() == state


@pytest.mark.more
@pytest.mark.peers
def test_validators_blame_the_objects_of_a_repeated_judgement_for_nothing(
    rig: AgainRig, pool: WorkerPool, samples: Path, tmp_path: Path
) -> None:
    from tests.peers.validators import errors, missing_tools

    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    rig = rig.under(FLAG_EVERYTHING, pool)
    rig.again(uids=(digest,))
    rig.finish(digest)
    first = [rig.files(digest, kind)[0] for kind in (SR, KOS)]
    made = [one for kind in (SR, KOS) for one in rig.files(digest, kind)[1:]]
    assert len(made) == 3
    for ds in (*first, *made):
        ds.save_as(tmp_path / "object.dcm", enforce_file_format=True)
        assert errors(tmp_path / "object.dcm") == []
    rig.database.close()


@pytest.mark.more
def test_images_that_a_fault_left_unassessed_are_judged_by_one_command(
    rig: AgainRig, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ProjectionUnit, "judge", _killed)
        digests = [rig.receive(samples / SMALL, {"SOPInstanceUID": f"1.2.{number}"}) for number in range(2)]
        for digest in digests:
            for _ in range(1 + 3):  # the first counts against nobody
                with pytest.raises(KeyboardInterrupt):
                    rig.pipeline.judge(digest)
            rig.finish(digest)
    given_up = rig.receive(samples / SMALL, {"SOPInstanceUID": "1.2.9"})
    rig.pipeline.give_up(given_up)
    digests.append(given_up)
    assert [rig.verdict(digest) for digest in digests] == [Verdict.NOT_ASSESSED] * 3
    assert rig.again(verdicts=(Verdict.NOT_ASSESSED,), because="never FINISHED") == 2
    assert rig.again(because="again and again") == 1
    for digest in digests:
        rig.finish(digest)
    assert [rig.verdict(digest) for digest in digests] == [Verdict.REVIEW] * 3
    for digest in digests[:2]:
        wrong, right = rig.files(digest, SR)
        named = right.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert named.ReferencedSOPInstanceUID == wrong.SOPInstanceUID
    [only] = rig.files(given_up, SR)
    assert "PredecessorDocumentsSequence" not in only


@pytest.mark.more
def test_a_judgement_that_fails_again_and_again_leaves_the_verdict_as_it_is(
    rig: AgainRig, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    before = rig.queued(digest)
    rig.again(uids=(digest,))
    with monkeypatch.context() as patch:
        patch.setattr(ProjectionUnit, "judge", _killed)
        for _ in range(1 + 3):
            with pytest.raises(KeyboardInterrupt):
                rig.pipeline.judge(digest)
        rig.finish(digest)
    assert (rig.verdict(digest), rig.queued(digest)) == (Verdict.REVIEW, before)
    rig.again(uids=(digest,))
    rig.finish(digest)
    with rig.database.begin() as transaction:
        assert instances.load(transaction, digest).generation == 2


def _failing(chunks: Callable[[str], Iterator[bytes]], digest: str) -> Callable[[str], Iterator[bytes]]:
    """As a disk does of which one file cannot be read."""

    def read(key: str) -> Iterator[bytes]:
        if digest in key:
            raise OSError(errno.EIO, "Input/output error")
        yield from chunks(key)

    return read


@pytest.mark.more
def test_what_cannot_be_judged_again_is_named(rig: AgainRig, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConflictError, match="Say which images"):
        rig.service.plan(ReassessmentFilter())
    gone, waiting = rig.receive(samples / SMALL), rig.receive(samples / SMALL, {"SOPInstanceUID": "1.2.9"})
    unreadable = rig.receive(samples / SMALL, {"SOPInstanceUID": "1.2.10"})
    lost = rig.receive(samples / SMALL, {"StudyInstanceUID": "", "PatientID": "7"})
    for digest in (gone, waiting, lost, unreadable):
        rig.finish(digest)
    with rig.database.begin() as transaction:
        rig.objects.local_path(instances.load(transaction, gone).object_key).unlink()
    rig.again(uids=(waiting,))
    monkeypatch.setattr(rig.objects, "chunks", _failing(rig.objects.chunks, unreadable))
    plan = rig.service.plan(ReassessmentFilter(uids=(gone, waiting, lost, unreadable)))
    assert {one.digest: one.obstacle for one in plan.candidates} == {
        gone: GONE, waiting: WAITING, lost: UNPLACED, unreadable: UNREADABLE,
    }  # fmt: skip
    assert plan.possible == ()
    assert rig.service.plan(ReassessmentFilter(uids=(gone, waiting), limit=1)).truncated


@pytest.mark.more
def test_measurements_count_once_however_often_an_image_is_judged(rig: AgainRig, samples: Path) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)

    def weeks() -> list[Any]:
        with rig.database.begin() as transaction:
            measurement_weeks.count(transaction, limit=10)
            return sorted(map(tuple, transaction.execute(sa.select(analysis_tables.measurement_weeks))))

    before = weeks()
    assert before
    rig.again(uids=(digest,))
    rig.finish(digest)
    assert weeks() == before


@pytest.mark.more
def test_a_study_that_people_resolved_opens_only_for_a_worse_verdict(
    rig: AgainRig, pool: WorkerPool, samples: Path
) -> None:
    digest = rig.receive(samples / SMALL)
    rig.finish(digest)
    study = str(pydicom.dcmread(samples / SMALL).StudyInstanceUID)
    with rig.database.begin() as transaction:
        worklist.resolve(transaction, study, Resolution.DISMISSED, "anna", "", datetime.now(UTC))
    rig.again(uids=(digest,))
    rig.finish(digest)
    assert _item(rig, study) == (WorklistState.RESOLVED, Verdict.REVIEW)
    [rule] = FLAG_EVERYTHING["rule"]
    worse = document(rule | {"then": "REJECT"}, version="t3")
    rig = rig.under(worse, pool)
    rig.again(uids=(digest,))
    rig.finish(digest)
    assert _item(rig, study) == (WorklistState.OPEN, Verdict.REJECT)
    notes = [one.ConceptNameCodeSequence[0].CodeValue for one in rig.files(digest, KOS)]
    assert sorted(notes) == ["113010"] * 3 + ["QI_WITHDRAWN"] * 2
    rig.database.close()


def _item(rig: Rig, study: str) -> tuple[WorklistState, Verdict]:
    with rig.database.begin() as transaction:
        item = worklist.show(transaction, study)
    return item.state, item.verdict


@pytest.mark.more
def test_a_series_is_judged_again_as_one(tmp_path: Path, pool: WorkerPool) -> None:
    from tests.stages.measure.series import making
    from tests.stages.units.test_series_way import Rig as SeriesRig

    rig = SeriesRig(tmp_path, pool)
    slices = [making.body_ct(seed=number) for number in range(4)]
    digests = rig.receive(*making.write_series(tmp_path / "s", slices, "CT"))
    [shown] = rig.look(21.0)
    first = rig.finish(shown)
    report = rig.report(shown)
    service = Reassessment(rig.database, rig.objects, rig.jobs, any_model)
    plan = service.plan(ReassessmentFilter(uids=(digests[0], digests[1])))
    assert [one.digest for one in plan.candidates] == [shown]
    assert service.begin(plan, "anna", "", datetime.now(UTC)) == 1
    assert rig.finish(shown) is first
    with rig.database.begin() as transaction:
        made = [one for one in results_of(transaction, shown) if one.kind == SR]
        counted = instances.count(transaction)
    assert counted.decided == len(digests)
    files = [pydicom.dcmread(rig.objects.local_path(one.object_key)) for one in made]
    [second] = [one for one in files if one.SOPInstanceUID != report.SOPInstanceUID]
    named = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == report.SOPInstanceUID
    rig.database.close()
