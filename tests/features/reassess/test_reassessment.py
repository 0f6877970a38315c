"""Images are judged again: reports name their predecessors, key objects are withdrawn, the newest verdict counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa

from miqa_node.core.domain.delivery import KOS, SR, ResultKind
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.policy import Verdict
from miqa_node.core.domain.reassessment import ReassessmentFilter
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.core.taxonomy.policy_file import parse_policy
from miqa_node.features.reassess.reassessment import Reassessment
from miqa_node.features.worklist.rows import corrections, worklist
from miqa_node.runtime.store import tables
from miqa_node.runtime.workers.pool import WorkerPool
from tests.node.test_pipeline import FLAG_EVERYTHING, Rig
from tests.parts import any_model

SMALL = "RG3_UNCR.dcm"
PASS_EVERYTHING: dict[str, Any] = {"version": "t2", "scope": [{"name": "all", "accept_measured": ["entropy"]}]}


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
